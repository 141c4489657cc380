using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Models.Wan;

/// <summary>
/// norm1, SiLU, conv1, norm2, SiLU, conv2, + the input (through <c>conv_shortcut</c>, 1x1x1, where the widths differ). Reference: diffusers,
/// <c>WanResidualBlock</c>.
/// </summary>
internal sealed class WanVaeResBlock : nn.Module
{
    [ComponentName(Name = "norm1")]
    private readonly ChannelRmsNorm _norm1;

    [ComponentName(Name = "conv1")]
    private readonly CausalConv3d _conv1;

    [ComponentName(Name = "norm2")]
    private readonly ChannelRmsNorm _norm2;

    [ComponentName(Name = "conv2")]
    private readonly CausalConv3d _conv2;

    [ComponentName(Name = "conv_shortcut")]
    private readonly CausalConv3d? _convShortcut;

    /// <summary>Makes the block.</summary>
    /// <param name="inChannels">Channels of the input.</param>
    /// <param name="outChannels">Channels of the output.</param>
    /// <param name="placement">Where and how weights are stored.</param>
    public WanVaeResBlock(long inChannels, long outChannels, Placement placement)
        : base(nameof(WanVaeResBlock))
    {
        _norm1 = new ChannelRmsNorm(inChannels, axes: 3, placement);
        _conv1 = new CausalConv3d(inChannels, outChannels, (3, 3), placement);
        _norm2 = new ChannelRmsNorm(outChannels, axes: 3, placement);
        _conv2 = new CausalConv3d(outChannels, outChannels, (3, 3), placement);
        _convShortcut = inChannels == outChannels ? null : new CausalConv3d(inChannels, outChannels, (1, 1), placement);
        Block = new CausalBlock(_conv1.Block.States + _conv2.Block.States, Forward);
        RegisterComponents();
    }

    /// <summary>The block as a part of a causal network.</summary>
    public CausalBlock Block { get; }

    /// <summary>Makes the residual blocks of a level, the first of which changes the width.</summary>
    /// <param name="count">Number of blocks.</param>
    /// <param name="level">The level's sizes.</param>
    /// <param name="placement">Where and how weights are stored.</param>
    public static IEnumerable<WanVaeResBlock> CreateLevel(long count, WanVaeLevelShape level, Placement placement) =>
        Enumerable.Range(0, (int)count).Select(i => new WanVaeResBlock(i == 0 ? level.InChannels : level.OutChannels, level.OutChannels, placement));

    // x: [B*T, in, H, W] -> [B*T, out, H, W].
    private Tensor Forward(Tensor x, CausalPass pass)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor hidden = _conv1.Forward(_norm1.ForwardActivated(x, Activation.Silu), pass);
        hidden = _conv2.Forward(_norm2.ForwardActivated(hidden, Activation.Silu), pass);
        return Ops.Add(_convShortcut?.Forward(x, pass) ?? x, hidden).MoveToOuterDisposeScope();
    }
}
