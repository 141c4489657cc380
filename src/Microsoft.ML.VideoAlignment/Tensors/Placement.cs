namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>Where a network's parameters live and how they are stored. Layers take it as an argument; there is no ambient default.</summary>
internal sealed record Placement(Device Device, ScalarType Dtype)
{
    /// <summary>float32 on the CPU.</summary>
    public static Placement Cpu { get; } = new(CPU, ScalarType.Float32);

    /// <summary>On the CPU, stored as a user's options say.</summary>
    public static Placement OnCpu(WeightPrecision precision) => new(CPU, precision switch
    {
        WeightPrecision.Full => ScalarType.Float32,
        WeightPrecision.BrainHalf => ScalarType.BFloat16,
        WeightPrecision.Half => ScalarType.Float16,
        _ => throw new ArgumentOutOfRangeException(nameof(precision), precision, "Unknown precision."),
    });

    /// <summary>Shapes and names only, no memory: for checking a full-size network against its list of keys.</summary>
    public static Placement Meta { get; } = new(META, ScalarType.Float32);

    /// <summary>As <see cref="Meta"/>, of weights that are stored as this network's are.</summary>
    public static Placement ShapesOf(nn.Module network) => new(META, network.parameters().First().dtype);

    /// <summary>What a network computes in whose weights are stored so: half precision saves memory, not digits.</summary>
    public static ScalarType Computing(ScalarType stored) => stored is ScalarType.Float16 or ScalarType.BFloat16 ? ScalarType.Float32 : stored;

    /// <summary>
    /// An uninitialised parameter that no dispose scope owns. Weights fill it through the checked loader, or a training program through its
    /// initialiser; the name of the shape's axes is the layer's business.
    /// </summary>
    public TorchSharp.Modules.Parameter Parameter(params ReadOnlySpan<long> shape)
    {
        using Tensor storage = empty(shape, dtype: Dtype, device: Device);
        return Own(storage.alias());
    }

    /// <summary>As <see cref="Parameter"/>, for a tensor that stands in the file and is no parameter: a field of type Tensor becomes a buffer.</summary>
    public Tensor Buffer(params ReadOnlySpan<long> shape) => empty(shape, dtype: Dtype, device: Device).DetachFromDisposeScope();

    /// <summary>
    /// As <see cref="Parameter"/>, for a convolution weight [out, in, ...kernel], laid out in memory as [out, ...kernel, in]: the layout that
    /// oneDNN takes without a copy when the input is channels-last.
    /// </summary>
    public TorchSharp.Modules.Parameter ConvolutionWeight(long outChannels, long inChannels, params ReadOnlySpan<long> kernel)
    {
        long[] stored = [outChannels, .. kernel, inChannels];
        long[] order = [0, stored.Length - 1, .. Enumerable.Range(1, kernel.Length).Select(axis => (long)axis)];
        using Tensor storage = empty(stored, dtype: Dtype, device: Device);
        return Own(storage.permute(order));
    }

    private static TorchSharp.Modules.Parameter Own(Tensor tensor)
    {
        var parameter = new TorchSharp.Modules.Parameter(tensor, requires_grad: false);
        parameter.DetachFromDisposeScope();
        return parameter;
    }
}
