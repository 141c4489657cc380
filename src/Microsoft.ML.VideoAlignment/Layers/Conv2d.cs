using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>2D convolution with an adapter slot. Keys <c>weight</c> [out, in, k, k] and <c>bias</c> [out], as torch.nn.Conv2d.</summary>
/// <remarks>It is computed channels-last on the CPU, and its output is channels-last too, so a chain of convolutions packs memory once.</remarks>
internal sealed class Conv2d : nn.Module<Tensor, Tensor>, IAdaptable
{
    [ComponentName(Name = "weight")]
    private readonly Parameter _weight;

    [ComponentName(Name = "weight_scale")]
    private readonly Parameter? _scale;

    [ComponentName(Name = "bias")]
    private readonly Parameter? _bias;

    private readonly AdaptedProduct _product;

    public Conv2d(long inChannels, long outChannels, long kernel, Placement placement, long stride = 1, long padding = 0, bool bias = true)
        : base(nameof(Conv2d))
    {
        _weight = placement.ConvolutionWeight(outChannels, inChannels, kernel, kernel);
        _scale = placement.Scale(_weight);
        _bias = bias ? placement.Parameter(outChannels) : null;
        (long[] strides, long[] paddings) = ([stride, stride], [padding, padding]);
        _product = new AdaptedProduct(
            (x, kernels, added) => Ops.Conv(x, kernels, added, strides, paddings), static (low, up, added) => Ops.Conv(low, up, added),
            (gradient, kernels, input) => Ops.ConvAdjoint(gradient, kernels, input, strides, paddings), outputs: 1);
        RegisterComponents();
    }

    public Parameter Weight => _weight;

    public Parameter? Bias => _bias;

    public FrozenWeight Frozen => new(_weight, _scale, Slot.Streamed);

    public AdapterSlot Slot { get; } = new();

    /// <summary>Whether the layer computes with one weight now: it has no adapter, or the weight contains it.</summary>
    public bool HasSingleWeight => Slot.UnmergedAdapter(_weight) is null;

    /// <summary>Weight and bias to compute with, the adapter's part included (with its graph): for kernels that take a layer apart.</summary>
    /// <param name="dtype">Type of the input.</param>
    public (Tensor Weight, Tensor? Bias) MergedWeight(ScalarType dtype) => (Slot.MergedWeight(Frozen, dtype), _bias?.to_type(dtype));

    /// <summary>Convolves.</summary>
    /// <param name="x">[N, in, H, W].</param>
    /// <returns>[N, out, H', W'].</returns>
    public override Tensor forward(Tensor x) => Forward(x, null);

    /// <summary>Convolves and adds a shift to every pixel.</summary>
    /// <param name="x">[N, in, H, W].</param>
    /// <param name="shift">[out]; null: none.</param>
    /// <returns>[N, out, H', W'].</returns>
    public Tensor Forward(Tensor x, Tensor? shift)
    {
        using Tensor packed = MemoryLayout.ChannelsLast(x);
        return _product.Run(this, packed, shift);
    }
}
