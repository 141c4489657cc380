namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>Where a network's parameters live and how they are stored. Layers take it as an argument; there is no ambient default.</summary>
internal sealed record Placement(Device Device, ScalarType Dtype)
{
    /// <summary>Below so many numbers a matrix is stored as the rest is: it saves nothing to speak of.</summary>
    private const long SmallestQuantized = 4096;

    private static Placement? s_cpu;

    /// <summary>Whether large matrices are stored as int8 with a scale for each output channel (<see cref="ChannelQuantization"/>), and the rest as <see cref="Dtype"/>.</summary>
    public bool EightBitMatrices { get; init; }

    /// <summary>How the weights are stored, as a word for files.</summary>
    public string StoredAs => EightBitMatrices ? nameof(WeightPrecision.Int8) : Dtype.ToString();

    /// <summary>float32 on the CPU. Whoever loads a network comes by here first.</summary>
    /// <exception cref="DllNotFoundException">See <see cref="NativeTorch.Require"/>.</exception>
    public static Placement Cpu => s_cpu ??= OnLoadedCpu();

    /// <summary>On the CPU, stored as a user's options say.</summary>
    public static Placement OnCpu(WeightPrecision precision) => precision switch
    {
        WeightPrecision.Float32 => Cpu,
        WeightPrecision.BFloat16 => Cpu with { Dtype = ScalarType.BFloat16 },
        WeightPrecision.Float16 => Cpu with { Dtype = ScalarType.Float16 },
        WeightPrecision.Int8 => Cpu with { Dtype = ScalarType.Float16, EightBitMatrices = true },
        _ => throw new ArgumentOutOfRangeException(nameof(precision), precision, "Unknown precision."),
    };

    /// <summary>Shapes and names only, no memory: for checking a full-size network against its list of keys.</summary>
    public static Placement Meta => Cpu with { Device = META };

    /// <summary>As <see cref="Meta"/>, of weights that are stored as this network's are.</summary>
    public static Placement ShapesOf(nn.Module network)
    {
        ScalarType[] stored = [.. network.parameters().Select(parameter => parameter.dtype)];
        return stored.Contains(ScalarType.Int8) ? OnCpu(WeightPrecision.Int8) with { Device = META } : new Placement(META, stored[0]);
    }

    /// <summary>What a network computes in whose weights are stored so: half precision saves memory, not digits.</summary>
    public static ScalarType Computing(ScalarType stored) => stored is ScalarType.Float16 or ScalarType.BFloat16 or ScalarType.Int8 ? ScalarType.Float32 : stored;

    /// <summary>
    /// An uninitialized parameter that no dispose scope owns. Weights fill it through the checked loader, or a training program through its
    /// initializer; the name of the shape's axes is the layer's business.
    /// </summary>
    public TorchSharp.Modules.Parameter Parameter(params ReadOnlySpan<long> shape)
    {
        using Tensor storage = empty(shape, dtype: Dtype, device: Device);
        return Copied(storage.alias());
    }

    /// <summary>As <see cref="Parameter"/>, for the weight [out, ...] of a layer that multiplies; its scale is <see cref="Scale"/>'s.</summary>
    public TorchSharp.Modules.Parameter Matrix(params ReadOnlySpan<long> shape)
    {
        using Tensor storage = empty(shape, dtype: DtypeOfMatrix(shape), device: Device);
        return Copied(storage.alias());
    }

    /// <summary>The scales [out] of a weight that is stored in int8, which stand beside it as <c>weight_scale</c>; null: it is not.</summary>
    public TorchSharp.Modules.Parameter? Scale(Tensor weight)
    {
        if (weight.dtype != ScalarType.Int8)
        {
            return null;
        }

        using Tensor storage = empty(weight.shape[0], dtype: ScalarType.Float32, device: Device);
        return Copied(storage.alias());
    }

    /// <summary>As <see cref="Parameter"/>, for a tensor that stands in the file and is no parameter: a field of type Tensor becomes a buffer.</summary>
    public Tensor Buffer(params ReadOnlySpan<long> shape) => empty(shape, dtype: Dtype, device: Device).DetachFromDisposeScope();

    /// <summary>
    /// As <see cref="Matrix"/>, for a convolution weight [out, in, ...kernel], laid out in memory as [out, ...kernel, in]: the layout that
    /// oneDNN takes without a copy when the input is channels-last.
    /// </summary>
    public TorchSharp.Modules.Parameter ConvolutionWeight(long outChannels, long inChannels, params ReadOnlySpan<long> kernel)
    {
        long[] stored = [outChannels, .. kernel, inChannels];
        long[] order = [0, stored.Length - 1, .. Enumerable.Range(1, kernel.Length).Select(axis => (long)axis)];
        using Tensor storage = empty(stored, dtype: DtypeOfMatrix(stored), device: Device);
        return Copied(storage.permute(order));
    }

    private static Placement OnLoadedCpu()
    {
        NativeTorch.Require();
        return new Placement(CPU, ScalarType.Float32);
    }

    private ScalarType DtypeOfMatrix(ReadOnlySpan<long> shape)
    {
        long numbers = 1;
        foreach (long side in shape)
        {
            numbers *= side;
        }

        return EightBitMatrices && numbers >= SmallestQuantized ? ScalarType.Int8 : Dtype;
    }

    private static TorchSharp.Modules.Parameter Copied(Tensor tensor)
    {
        var parameter = new TorchSharp.Modules.Parameter(tensor, requires_grad: false);
        parameter.DetachFromDisposeScope();
        return parameter;
    }
}
