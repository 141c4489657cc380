namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>A name that a pickle may refer to. The list is fixed: no class is ever looked up.</summary>
/// <param name="name">The full name, such as "torch.Size".</param>
/// <param name="call">What REDUCE may do with it.</param>
/// <param name="storage">The element type of a storage class; null for anything else.</param>
internal sealed class PickleGlobal(string name, PickleCall call, WeightDtype? storage = null) : WeightNode
{
    public string Name { get; } = name;

    public PickleCall Call { get; } = call;

    /// <summary>The element type of a storage class; uint8 stands for bytes in an untyped one.</summary>
    public WeightDtype? Storage { get; } = storage;

    public override string Kind => Name;
}

/// <summary>What REDUCE may do with a global.</summary>
internal enum PickleCall
{
    None,
    OrderedDict,
    Size,
    TensorV2,
    TensorV3,
    Parameter,
}

/// <summary>A storage as an argument of a tensor.</summary>
/// <param name="storage">The storage.</param>
internal sealed class PickleStorage(TorchStorage storage) : WeightNode
{
    public TorchStorage Storage { get; } = storage;

    public override string Kind => "a storage";
}

/// <summary>The globals that PyTorch writes for tensors and containers, as in torch/_weights_only_unpickler.py but fewer.</summary>
internal static class PickleGlobals
{
    public const string UntypedStorage = "torch.storage.UntypedStorage";

    private static readonly Dictionary<string, WeightNode> s_known = Known().ToDictionary(pair => pair.Name, pair => pair.Node, StringComparer.Ordinal);

    /// <summary>Returns the global with this exact name; null where it is not allowed.</summary>
    /// <param name="module">The module, such as "torch._utils".</param>
    /// <param name="name">The name in the module.</param>
    public static WeightNode? Find(string module, string name) =>
        // A dotted name would walk from an allowed object to anything below it.
        name.Contains('.', StringComparison.Ordinal) ? null : s_known.GetValueOrDefault($"{module}.{name}");

    private static IEnumerable<(string Name, WeightNode Node)> Known()
    {
        PickleGlobal[] calls =
        [
            new("collections.OrderedDict", PickleCall.OrderedDict), new("torch.Size", PickleCall.Size),
            new("torch._utils._rebuild_tensor_v2", PickleCall.TensorV2), new("torch._utils._rebuild_tensor_v3", PickleCall.TensorV3),
            new("torch._utils._rebuild_parameter", PickleCall.Parameter),
            new(UntypedStorage, PickleCall.None, WeightDtype.FromName("uint8")),
        ];
        string[] storages =
        [
            "Double float64", "Float float32", "Half float16", "BFloat16 bfloat16", "Long int64", "Int int32", "Short int16", "Char int8",
            "Byte uint8", "Bool bool",
        ];
        IEnumerable<PickleGlobal> typed = storages.Select(pair => pair.Split(' '))
            .Select(pair => new PickleGlobal($"torch.{pair[0]}Storage", PickleCall.None, WeightDtype.FromName(pair[1])));
        string[] otherDtypes = ["complex32", "complex64", "complex128", "uint16", "uint32", "uint64", "float8_e4m3fnuz", "float8_e5m2fnuz"];
        return calls.Concat(typed).Select(known => (known.Name, (WeightNode)known))
            .Concat(WeightDtype.All.Select(dtype => dtype.Name).Concat(otherDtypes).Select(name => ($"torch.{name}", (WeightNode)new DtypeNode(name))));
    }
}
