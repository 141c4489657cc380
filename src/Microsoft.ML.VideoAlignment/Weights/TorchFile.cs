namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>
/// What torch.save wrote: a tree of containers, scalars and tensors. As a source of named tensors it is one dict of that tree (or one list, whose
/// names are "0", "1", ...): the root, or the one under an entry such as "state_dict" ("a/b" for an entry in an entry).
/// </summary>
internal abstract class TorchFile : IWeightSource
{
    private readonly Dictionary<string, StoredTensor> _tensors = new(StringComparer.Ordinal);
    private Dictionary<string, WeightInfo>? _entries;

    protected TorchFile(string path) => File = new FileBytes(path);

    public string Location => File.Location;

    /// <summary>The whole file. Nodes of tensors are read with <see cref="Read(TensorNode)"/>.</summary>
    public abstract WeightNode Root { get; }

    public IReadOnlyDictionary<string, WeightInfo> Entries => _entries ?? Select(null);

    protected FileBytes File { get; }

    public Tensor Read(string name) => Read(Stored(name));

    /// <summary>A fresh contiguous CPU tensor; the caller owns it.</summary>
    public Tensor Read(TensorNode node) => Read(node.Tensor);

    public void ReadInPieces(string name, long unit, Action<Tensor> take) => ReadInPieces(Stored(name), unit, take);

    /// <inheritdoc cref="IWeightSource.ReadInPieces"/>
    public void ReadInPieces(TensorNode node, long unit, Action<Tensor> take) => ReadInPieces(node.Tensor, unit, take);

    public void Dispose() => File.Dispose();

    /// <summary>Chooses the dict or list whose tensors are <see cref="Entries"/>; null: the root.</summary>
    /// <exception cref="WeightFileException">There is no such entry, or no tensor in it.</exception>
    public IReadOnlyDictionary<string, WeightInfo> Select(string? entry)
    {
        WeightNode node = entry is null ? Root : Find(entry);
        _tensors.Clear();
        foreach ((string name, WeightNode value) in Children(node))
        {
            if (value is TensorNode tensor)
            {
                _tensors[name] = tensor.Tensor;
            }
        }

        string[] below = [.. Children(node).Where(child => child.Value is DictNode or ListNode).Select(child => child.Name).Take(10)];
        if (_tensors.Count == 0 && below.Length > 0)
        {
            throw File.Fault($"there are no tensors {(entry is null ? "at the top" : $"under '{entry}'")}; choose an entry below it: {string.Join(", ", below)}.");
        }

        return _entries = _tensors.ToDictionary(pair => pair.Key, pair => new WeightInfo(pair.Value.Dtype.Delivered, pair.Value.Shape), StringComparer.Ordinal);
    }

    /// <summary>Chooses the root, or where there is no tensor in it but in a single dict below it, that dict.</summary>
    /// <inheritdoc cref="Select"/>
    public IReadOnlyDictionary<string, WeightInfo> SelectOnlyDict()
    {
        string[] holding = Root is DictNode && !Children(Root).Any(child => child.Value is TensorNode)
            ? [.. Children(Root).Where(child => child.Value is DictNode && Children(child.Value).Any(entry => entry.Value is TensorNode)).Select(child => child.Name)]
            : [];
        return Select(holding is [var only] ? only : null);
    }

    /// <summary>The bytes of a storage from <paramref name="offset"/> on.</summary>
    protected abstract Stream Open(TorchStorage storage, long offset);

    private static IEnumerable<(string Name, WeightNode Value)> Children(WeightNode node) => node switch
    {
        DictNode dict => dict.Items.Where(item => item.Key is StringNode).Select(item => (((StringNode)item.Key).Value, item.Value)),
        ListNode list => list.Items.Select((item, i) => (i.ToString(System.Globalization.CultureInfo.InvariantCulture), item)),
        _ => [],
    };

    private WeightNode Find(string entry)
    {
        if ((Root as DictNode)?.Find(entry) is { } whole)
        {
            return whole;
        }

        WeightNode node = Root;
        foreach (string step in entry.Split('/'))
        {
            string[] names = [.. Children(node).Select(child => child.Name)];
            int place = Array.IndexOf(names, step);
            node = place >= 0
                ? Children(node).ElementAt(place).Value
                : throw File.Fault($"has no entry '{entry}'; there are {names.Length} names{(names.Length > 0 ? $", such as {string.Join(", ", names.Take(10))}" : "")}.");
        }

        return node;
    }

    private StoredTensor Stored(string name) => Entries.ContainsKey(name) ? _tensors[name] : throw File.Fault($"has no tensor '{name}'.");

    private Tensor Read(StoredTensor tensor) => Reading(tensor, data =>
    {
        if (tensor.IsContiguous || tensor.Extent == 0)
        {
            return tensor.Dtype.ReadTensor(tensor.Shape, data);
        }

        using DisposeScope scope = NewDisposeScope();
        Tensor elements = tensor.Dtype.ReadTensor([tensor.Extent], data);
        return elements.as_strided([.. tensor.Shape], [.. tensor.Strides], 0).contiguous().MoveToOuterDisposeScope();
    });

    private void ReadInPieces(StoredTensor tensor, long unit, Action<Tensor> take)
    {
        if (!tensor.IsContiguous)
        {
            using Tensor whole = Read(tensor);
            using Tensor flat = whole.view(-1);
            take(flat);
            return;
        }

        Reading(tensor, data =>
        {
            tensor.Dtype.ReadInPieces(tensor.Shape.Aggregate(1L, (product, side) => product * side), unit, data, take);
            return true;
        });
    }

    private T Reading<T>(StoredTensor tensor, Func<Stream, T> read)
    {
        try
        {
            using Stream data = Open(tensor.Storage, tensor.Offset * tensor.Dtype.Size);
            return read(data);
        }
        catch (Exception exception) when (exception is EndOfStreamException or InvalidDataException)
        {
            throw File.Fault($"storage '{tensor.Storage.Key}' cannot be read: {exception.Message}", exception);
        }
    }
}
