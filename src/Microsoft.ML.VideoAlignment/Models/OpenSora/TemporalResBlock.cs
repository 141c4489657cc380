using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Models.OpenSora;

/// <summary>
/// norm1, SiLU, conv1, norm2, SiLU, conv2, + the input (through <c>conv3</c>, 1x1x1, where the widths differ). Reference: Open-Sora, <c>ResBlock</c>.
/// </summary>
internal sealed class TemporalResBlock : nn.Module
{
    [ComponentName(Name = "norm1")]
    private readonly GroupNorm _norm1;

    [ComponentName(Name = "conv1")]
    private readonly TemporalVaeConv _conv1;

    [ComponentName(Name = "norm2")]
    private readonly GroupNorm _norm2;

    [ComponentName(Name = "conv2")]
    private readonly TemporalVaeConv _conv2;

    [ComponentName(Name = "conv3")]
    private readonly TemporalVaeConv? _conv3;

    public TemporalResBlock(long inChannels, long outChannels, long groups, Placement placement)
        : base(nameof(TemporalResBlock))
    {
        _norm1 = SegmentNorm.Create(inChannels, groups, placement);
        _conv1 = new TemporalVaeConv(inChannels, outChannels, 3, placement, bias: false);
        _norm2 = SegmentNorm.Create(outChannels, groups, placement);
        _conv2 = new TemporalVaeConv(outChannels, outChannels, 3, placement, bias: false);
        _conv3 = inChannels == outChannels ? null : new TemporalVaeConv(inChannels, outChannels, 1, placement, bias: false);
        RegisterComponents();
    }

    /// <summary>Creates a module list of blocks, the first of which changes the width.</summary>
    /// <param name="count">Number of blocks.</param>
    /// <param name="inChannels">Input width of the first block.</param>
    /// <param name="outChannels">Width of all others.</param>
    /// <param name="groups">Groups of the norms.</param>
    /// <param name="placement">Where the weights are stored, and in what precision.</param>
    public static TorchSharp.Modules.ModuleList<TemporalResBlock> CreateList(long count, long inChannels, long outChannels, long groups, Placement placement) =>
        nn.ModuleList(
            [.. Enumerable.Range(0, (int)count).Select(i => new TemporalResBlock(i == 0 ? inChannels : outChannels, outChannels, groups, placement))]);

    /// <summary>Applies the block.</summary>
    /// <param name="x">[B*T, in, H, W].</param>
    /// <param name="frames">T.</param>
    /// <returns>[B*T, out, H, W].</returns>
    public Tensor Forward(Tensor x, long frames)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor hidden = _conv1.Forward(SegmentNorm.NormalizeAndActivate(_norm1, x, frames), frames);
        hidden = _conv2.Forward(SegmentNorm.NormalizeAndActivate(_norm2, hidden, frames), frames);
        return (_conv3?.Forward(x, frames) ?? x).Add(hidden).MoveToOuterDisposeScope();
    }
}

/// <summary>GroupNorm over all frames of a segment at once, and SiLU.</summary>
internal static class SegmentNorm
{
    private const double Eps = 1e-5;

    public static GroupNorm Create(long channels, long groups, Placement placement) => new(groups, channels, Eps, placement);

    /// <summary>Normalizes and activates.</summary>
    /// <param name="norm">A norm from <see cref="Create"/>.</param>
    /// <param name="x">[B*T, C, H, W].</param>
    /// <param name="frames">T.</param>
    /// <returns>[B*T, C, H, W].</returns>
    public static Tensor NormalizeAndActivate(GroupNorm norm, Tensor x, long frames)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor segments = norm.ForwardActivated(TokenLayout.ToSegments(x, frames), Activation.Silu); // [B, C, T, H*W]
        return TokenLayout.FromSegments(segments, x.shape[2], x.shape[3]).MoveToOuterDisposeScope();
    }
}
