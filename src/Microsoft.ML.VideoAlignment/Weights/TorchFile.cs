namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>A file written by torch.save: a tree of containers, scalars and tensors.</summary>
/// <remarks>
/// As a source of named tensors it is one dict of that tree (or one list, whose names are "0", "1", ...): the root, or the one under an entry such as
/// "state_dict" ("a/b" for an entry in an entry).
/// </remarks>
internal abstract class TorchFile : IWeightSource
{
    private readonly Dictionary<string, StoredTensor> _tensors = new(StringComparer.Ordinal);
    private Dictionary<string, WeightInfo>? _entries;

    protected TorchFile(string path) => File = new FileBytes(path);

    public string Location => File.Location;

    /// <summary>The whole file. <see cref="Read(TensorNode)"/> reads a tensor in it.</summary>
    public abstract WeightNode Root { get; }

    public IReadOnlyDictionary<string, WeightInfo> Entries => _entries ?? Select(null);

    protected FileBytes File { get; }

    public Tensor Read(string name) => Read(Stored(name));

    /// <summary>Reads a tensor onto the CPU, contiguous; the caller owns it.</summary>
    /// <param name="node">A node under <see cref="Root"/>.</param>
    public Tensor Read(TensorNode node) => Read(node.Tensor);

    public void ReadInPieces(string name, long unit, Action<Tensor> take) => ReadInPieces(Stored(name), unit, take);

    /// <summary>Reads a tensor in order as flat pieces.</summary>
    /// <param name="node">A node under <see cref="Root"/>.</param>
    /// <param name="unit">The number of elements of which each piece holds a multiple, at least 1.</param>
    /// <param name="take">Receives each piece, which lives until the call returns.</param>
    public void ReadInPieces(TensorNode node, long unit, Action<Tensor> take) => ReadInPieces(node.Tensor, unit, take);

    public void Dispose() => File.Dispose();

    /// <summary>Chooses the dict or list whose tensors are <see cref="Entries"/>.</summary>
    /// <param name="entry">Its path from the root, such as "state_dict" or "a/b"; null: the root.</param>
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
            throw File.Fault($"there are no tensors {(entry is null ? "at the top" : $"under '{entry}'")}; "
                + $"choose an entry below it: {string.Join(", ", below)}.");
        }

        return _entries = _tensors.ToDictionary(pair => pair.Key, pair => new WeightInfo(pair.Value.Dtype.Delivered, pair.Value.Shape), StringComparer.Ordinal);
    }

    /// <summary>Chooses the root, or, where it has no tensor and only one dict below it has, that dict.</summary>
    /// <exception cref="WeightFileException">There is no tensor in the chosen dict.</exception>
    public IReadOnlyDictionary<string, WeightInfo> SelectOnlyDict()
    {
        static bool HoldsTensors(WeightNode node) => Children(node).Any(child => child.Value is TensorNode);
        string[] holding = Root is DictNode && !HoldsTensors(Root)
            ? [.. Children(Root).Where(child => child.Value is DictNode && HoldsTensors(child.Value)).Select(child => child.Name)]
            : [];
        return Select(holding is [var only] ? only : null);
    }

    /// <summary>Opens the bytes of a storage.</summary>
    /// <param name="storage">The storage.</param>
    /// <param name="offset">The first byte, from the storage's start.</param>
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
                : throw File.Fault(
                    $"has no entry '{entry}'; there are {names.Length} names{(names.Length > 0 ? $", such as {string.Join(", ", names.Take(10))}" : "")}.");
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
