using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>
/// torch.nn.Conv3d with kernel (k, 1, 1), stride 1 and padding (k / 2, 0, 0), and an adapter slot. Keys <c>weight</c> [out, in, k, 1, 1] and <c>bias</c> [out].
/// </summary>
/// <remarks>It is computed as a (k, 1) Conv2d over [B, C, T, H*W]: the same sums, 1.2 to 2.5 times faster on the CPU.</remarks>
internal sealed class TemporalConv3d : nn.Module<Tensor, Tensor>, IAdaptable
{
    [ComponentName(Name = "weight")]
    private readonly Parameter _weight;

    [ComponentName(Name = "weight_scale")]
    private readonly Parameter? _scale;

    [ComponentName(Name = "bias")]
    private readonly Parameter _bias;

    private readonly AdaptedProduct _product;

    public TemporalConv3d(long inChannels, long outChannels, long kernel, Placement placement)
        : base(nameof(TemporalConv3d))
    {
        _weight = placement.ConvolutionWeight(outChannels, inChannels, kernel, 1, 1);
        _scale = placement.Scale(_weight);
        _bias = placement.Parameter(outChannels);
        long[] padding = [kernel / 2, 0];
        _product = new AdaptedProduct(
            (x, kernels, added) => Ops.Conv(x, kernels.squeeze(-1), added, padding: padding), static (low, up, added) => Ops.Conv(low, up.squeeze(-1), added),
            (gradient, kernels, input) => Ops.ConvAdjoint(gradient, kernels.squeeze(-1), input, [1, 1], padding), outputs: 1);
        RegisterComponents();
    }

    public Parameter Weight => _weight;

    public Parameter? Bias => _bias;

    public FrozenWeight Frozen => new(_weight, _scale, Slot.Streamed);

    public AdapterSlot Slot { get; } = new();

    /// <summary>Convolves over time.</summary>
    /// <param name="x">[B, in, T, H*W].</param>
    /// <returns>[B, out, T, H*W].</returns>
    public override Tensor forward(Tensor x) => Forward(x, null);

    /// <summary>Convolves over time and adds a shift to every pixel.</summary>
    /// <param name="x">[B, in, T, H*W].</param>
    /// <param name="shift">[out]; null: none.</param>
    /// <returns>[B, out, T, H*W].</returns>
    public Tensor Forward(Tensor x, Tensor? shift)
    {
        using Tensor packed = MemoryLayout.ChannelsLast(x);
        return _product.Run(this, packed, shift);
    }
}
