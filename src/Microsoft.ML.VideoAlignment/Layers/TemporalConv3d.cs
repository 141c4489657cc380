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

    private readonly long[] _padding;

    public TemporalConv3d(long inChannels, long outChannels, long kernel, Placement placement)
        : base(nameof(TemporalConv3d))
    {
        _weight = placement.ConvolutionWeight(outChannels, inChannels, kernel, 1, 1);
        _scale = placement.Scale(_weight);
        _bias = placement.Parameter(outChannels);
        _padding = [kernel / 2, 0];
        RegisterComponents();
    }

    public Parameter Weight => _weight;

    public FrozenWeight Frozen => new(_weight, _scale);

    public AdapterSlot Slot { get; } = new();

    /// <summary>Convolves over time.</summary>
    /// <param name="x">[B, in, T, H*W].</param>
    /// <returns>[B, out, T, H*W].</returns>
    public override Tensor forward(Tensor x) => Forward(x, null);

    /// <summary>Convolves over time and adds a shift to every pixel, which joins the bias and so costs nothing.</summary>
    /// <param name="x">[B, in, T, H*W].</param>
    /// <param name="shift">[out]; null: none.</param>
    /// <returns>[B, out, T, H*W].</returns>
    public Tensor Forward(Tensor x, Tensor? shift)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor packed = MemoryLayout.ChannelsLast(x);
        Tensor bias = _bias.to_type(x.dtype);
        bias = shift is null ? bias : bias.Add(shift);
        Tensor y = Ops.Conv(packed, Slot.EffectiveWeight(Frozen, x.dtype).squeeze(-1), bias, padding: _padding);
        if (Slot.UnmergedAdapter(_weight) is { } adapter)
        {
            Tensor low = Ops.Conv(packed, adapter.Down.to_type(x.dtype).squeeze(-1), bias: null, padding: _padding).Mul(adapter.Scale);
            y = Ops.Add(y, Ops.Conv(low, adapter.Up.to_type(x.dtype).squeeze(-1), bias: null));
        }

        return y.MoveToOuterDisposeScope();
    }
}
