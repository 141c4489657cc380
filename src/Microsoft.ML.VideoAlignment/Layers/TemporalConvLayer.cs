using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>
/// x + four stages of GroupNorm, SiLU and a convolution over three frames; statistics span all frames of a video. Reference: diffusers,
/// <c>TemporalConvLayer</c> in eval mode; lvdm, <c>TemporalConvBlock</c>.
/// </summary>
/// <remarks>Keys <c>conv1.{0,2}</c> and <c>conv2.{0,3}</c> to <c>conv4.{0,3}</c>.</remarks>
internal sealed class TemporalConvLayer : nn.Module
{
    private const double Eps = 1e-5;

    [ComponentName(Name = "conv1")]
    private readonly Stage _conv1;

    [ComponentName(Name = "conv2")]
    private readonly Stage _conv2;

    [ComponentName(Name = "conv3")]
    private readonly Stage _conv3;

    [ComponentName(Name = "conv4")]
    private readonly Stage _conv4;

    public TemporalConvLayer(long channels, long groups, Placement placement)
        : base(nameof(TemporalConvLayer))
    {
        _conv1 = new Stage(channels, groups, hasDropout: false, placement);
        _conv2 = new Stage(channels, groups, hasDropout: true, placement);
        _conv3 = new Stage(channels, groups, hasDropout: true, placement);
        _conv4 = new Stage(channels, groups, hasDropout: true, placement);
        RegisterComponents();
    }

    /// <summary>Runs the stages.</summary>
    /// <param name="x">[B*T, C, H, W].</param>
    /// <param name="frames">T.</param>
    /// <returns>The shape of x.</returns>
    public Tensor Forward(Tensor x, long frames)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor segments = TokenLayout.ToSegments(x, frames); // [B, C, T, H*W]
        Tensor hidden = _conv2.After(_conv1, _conv1.forward(segments));
        hidden = _conv4.After(_conv3, _conv3.After(_conv2, hidden));
        return TokenLayout.FromSegments(segments.Add(hidden), x.shape[2], x.shape[3]).MoveToOuterDisposeScope();
    }

    private sealed class Stage : nn.Module<Tensor, Tensor>
    {
        [ComponentName(Name = "0")]
        private readonly GroupNorm _norm;

        [ComponentName(Name = "2")]
        private readonly TemporalConv3d? _second;

        [ComponentName(Name = "3")]
        private readonly TemporalConv3d? _third;

        // hasDropout: the reference's list has one before the convolution, which shifts its number.
        public Stage(long channels, long groups, bool hasDropout, Placement placement)
            : base(nameof(Stage))
        {
            _norm = new GroupNorm(groups, channels, Eps, placement);
            var conv = new TemporalConv3d(channels, channels, 3, placement);
            _second = hasDropout ? null : conv;
            _third = hasDropout ? conv : null;
            RegisterComponents();
        }

        private TemporalConv3d Convolution => _second ?? _third!;

        public override Tensor forward(Tensor x)
        {
            using Tensor active = _norm.ForwardActivated(x, Activation.Silu);
            return Convolution.forward(active);
        }

        // The stage on what the one before gave, which nothing else reads.
        public Tensor After(Stage before, Tensor x)
        {
            before.Convolution.Slot.RecordUse(matters: !_norm.RemovesAll(x));
            return forward(x);
        }
    }
}
