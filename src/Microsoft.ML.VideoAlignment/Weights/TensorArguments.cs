using System.Numerics;

namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>
/// Interprets the few calls that a PyTorch pickle makes, with arguments of exactly the kinds that torch._utils and torch.serialization write.
/// </summary>
/// <remarks>Nothing is called: the arguments become nodes.</remarks>
/// <param name="reader">The pickle, for errors.</param>
/// <param name="legacy">Whether storages are named as in files before PyTorch 1.6.</param>
internal sealed class TensorArguments(PickleReader reader, bool legacy)
{
    private readonly Dictionary<string, TorchStorage> _storages = new(StringComparer.Ordinal);

    public IReadOnlyCollection<TorchStorage> Storages => _storages.Values;

    /// <summary>
    /// Interprets a persistent id: ("storage", class, key, location, count), and before PyTorch 1.6 a sixth item, the view, which must be None.
    /// </summary>
    /// <param name="id">The id.</param>
    public PickleStorage Persistent(WeightNode id)
    {
        if (id is not ListNode { Tuple: true } tuple
            || tuple.Items.Count != (legacy ? 6 : 5)
            || tuple.Items is not [StringNode { Value: "storage" }, PickleGlobal { Storage: { } dtype } global, StringNode { Value: var key },
                StringNode, IntNode { Value: var count }, ..]
            || (legacy && tuple.Items[5] is not NoneNode))
        {
            throw reader.Fault($"{id.Kind} as a persistent id that is not a storage of PyTorch's {(legacy ? "old" : "zip")} form");
        }

        if (key.Length == 0 || key is "." or ".." || key.AsSpan().IndexOfAny('/', '\\', '\0') >= 0)
        {
            throw reader.Fault($"storage key '{key}' is not a plain name");
        }

        if (count.Sign < 0 || count * dtype.Size > long.MaxValue)
        {
            throw reader.Fault($"storage '{key}' has a count beyond any memory");
        }

        var storage = new TorchStorage(dtype, global.Name == PickleGlobals.UntypedStorage, key, (long)count);
        if (_storages.TryAdd(key, storage) || (_storages[key].Bytes == storage.Bytes && (!legacy || _storages[key].Dtype == dtype)))
        {
            return new PickleStorage(storage);
        }

        throw reader.Fault($"storage '{key}' is named with two sizes or types");
    }

    public WeightNode Call(PickleGlobal function, WeightNode arguments)
    {
        List<WeightNode> items = arguments is ListNode { Tuple: true } tuple ? tuple.Items : [];
        WeightNode? result = (function.Call, items) switch
        {
            (PickleCall.OrderedDict, []) when arguments is ListNode { Tuple: true } => new DictNode(ordered: true),
            (PickleCall.OrderedDict, [ListNode pairs]) => OrderedDict(pairs),
            (PickleCall.Size, [ListNode sizes]) when sizes.Items.TrueForAll(item => item is IntNode) => new ListNode([.. sizes.Items], tuple: true),
            (PickleCall.TensorV2, [PickleStorage { Storage: { Untyped: false } storage }, IntNode offset, ListNode { Tuple: true } sizes,
                ListNode { Tuple: true } strides, BoolNode, var hooks, .. var rest])
                when IsEmpty(hooks) && Optional(rest) => Tensor(storage.Dtype, storage, offset.Value, sizes, strides),
            (PickleCall.TensorV3, [PickleStorage { Storage: { Untyped: true } storage }, IntNode offset, ListNode { Tuple: true } sizes,
                ListNode { Tuple: true } strides, BoolNode, var hooks, DtypeNode type, .. var rest])
                when IsEmpty(hooks) && Optional(rest) && WeightDtype.FromName(type.Name) is { } dtype => Tensor(dtype, storage, offset.Value, sizes, strides),
            (PickleCall.Parameter, [TensorNode tensor, BoolNode, var hooks]) when IsEmpty(hooks) => tensor,
            _ => null,
        };
        return result ?? throw reader.Fault($"{function.Name} with {items.Count} arguments of kinds that it never takes "
            + $"({string.Join(", ", items.Take(8).Select(item => item.Kind))})");
    }

    // Backward hooks and metadata would be code or flags that change values; PyTorch writes an empty OrderedDict, or leaves them out.
    private static bool IsEmpty(WeightNode node) => node is NoneNode or DictNode { Items.Count: 0 };

    private static bool Optional(List<WeightNode> rest) => rest is [] || (rest is [var metadata] && IsEmpty(metadata));

    private static DictNode? OrderedDict(ListNode pairs)
    {
        var dict = new DictNode(ordered: true);
        return pairs.Items.TrueForAll(pair => pair is ListNode { Items: [var key, var value] } && dict.Set(key, value)) ? dict : null;
    }

    private TensorNode Tensor(WeightDtype dtype, TorchStorage storage, BigInteger offset, ListNode sizes, ListNode strides)
    {
        var tensor = new StoredTensor(dtype, storage, Integer(offset), Integers(sizes), Integers(strides));
        return tensor.FindProblem() is { } problem ? throw reader.Fault($"a tensor with {problem}") : new TensorNode(tensor);
    }

    private long[] Integers(ListNode items) => items.Items.Count <= StoredTensor.MaxRank
        ? [.. items.Items.Select(item => Integer(item is IntNode integer ? integer.Value : throw reader.Fault($"a size or stride that is {item.Kind}")))]
        : throw reader.Fault($"a tensor with {items.Items.Count} axes");

    private long Integer(BigInteger value) =>
        value >= 0 && value <= long.MaxValue ? (long)value : throw reader.Fault("a tensor with a size, stride or offset that is negative or over 64 bits");
}
