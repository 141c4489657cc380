namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>Where a network's parameters live and how they are stored. Layers take it as an argument, not from an ambient default.</summary>
/// <param name="Device">Where parameters are made.</param>
/// <param name="Dtype">How they are stored.</param>
internal sealed record Placement(Device Device, ScalarType Dtype)
{
    // Matrices smaller than this are not quantized: it would save little.
    private const long SmallestQuantized = 4096;

    private static Placement? s_cpu;

    /// <summary>
    /// Whether large matrices are stored as int8 with a scale for each output channel (<see cref="ChannelQuantization"/>), and the rest as <see cref="Dtype"/>.
    /// </summary>
    public bool EightBitMatrices { get; init; }

    /// <summary>How the weights are stored, as a word for files.</summary>
    public string StoredAs => EightBitMatrices ? nameof(WeightPrecision.Int8) : Dtype.ToString();

    /// <summary>float32 on the CPU; loading a network begins here.</summary>
    /// <exception cref="DllNotFoundException">See <see cref="NativeTorch.Require"/>.</exception>
    public static Placement Cpu => s_cpu ??= OnLoadedCpu();

    /// <summary>On the CPU, stored as a user's options ask.</summary>
    /// <param name="precision">How weights are stored.</param>
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

    /// <summary><see cref="Meta"/> with weights stored as an existing network's are.</summary>
    /// <param name="network">At least one parameter.</param>
    public static Placement MetaLike(nn.Module network)
    {
        // Some parameters are float32 however the rest is stored.
        ScalarType narrowest = network.parameters().MinBy(parameter => parameter.element_size())!.dtype;
        return narrowest == ScalarType.Int8 ? OnCpu(WeightPrecision.Int8) with { Device = META } : new Placement(META, narrowest);
    }

    /// <summary>The type to compute in: half precision saves memory, not digits.</summary>
    /// <param name="stored">How weights are stored.</param>
    public static ScalarType ComputeDtype(ScalarType stored) =>
        stored is ScalarType.Float16 or ScalarType.BFloat16 or ScalarType.Int8 ? ScalarType.Float32 : stored;

    /// <summary>The same place for what stays in float32 however the rest of a network is stored, such as norms and tables beside half matrices.</summary>
    public Placement Wide => this with { Dtype = ComputeDtype(Dtype), EightBitMatrices = false };

    /// <summary>Makes an uninitialized parameter that no dispose scope owns.</summary>
    /// <param name="shape">Its shape; the layer names the axes.</param>
    /// <remarks>Weights fill it through the checked loader, or a training program through its initializer.</remarks>
    public TorchSharp.Modules.Parameter Parameter(params ReadOnlySpan<long> shape)
    {
        using Tensor storage = empty(shape, dtype: Dtype, device: Device);
        return Copied(storage.alias());
    }

    /// <summary>Makes the weight of a layer that multiplies, whose scale is made by <see cref="Scale"/>.</summary>
    /// <param name="shape">[out, ...].</param>
    public TorchSharp.Modules.Parameter Matrix(params ReadOnlySpan<long> shape)
    {
        using Tensor storage = empty(shape, dtype: DtypeOfMatrix(shape), device: Device);
        return Copied(storage.alias());
    }

    /// <summary>Makes the scales of a weight that is stored in int8, which stand beside it as <c>weight_scale</c>.</summary>
    /// <param name="weight">[out, ...].</param>
    /// <returns>[out]; null where the weight is not int8.</returns>
    public TorchSharp.Modules.Parameter? Scale(Tensor weight)
    {
        if (weight.dtype != ScalarType.Int8)
        {
            return null;
        }

        using Tensor storage = empty(weight.shape[0], dtype: ScalarType.Float32, device: Device);
        return Copied(storage.alias());
    }

    /// <summary>Makes an uninitialized buffer: a tensor of the file that is not a parameter.</summary>
    /// <param name="shape">Its shape.</param>
    public Tensor Buffer(params ReadOnlySpan<long> shape) => empty(shape, dtype: Dtype, device: Device).DetachFromDisposeScope();

    /// <summary>
    /// Makes a convolution weight [out, in, ...kernel], laid out in memory as [out, ...kernel, in]: the layout that oneDNN takes without a copy when the input
    /// is channels-last.
    /// </summary>
    /// <param name="outChannels">out.</param>
    /// <param name="inChannels">in.</param>
    /// <param name="kernel">Sizes of the kernel.</param>
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
