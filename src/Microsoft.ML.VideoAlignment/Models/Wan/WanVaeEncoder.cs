using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Models.Wan;

/// <summary>
/// Folded pixels to twice the latent channels (means, then log-variances). Reference: diffusers, <c>WanEncoder3d</c>.
/// </summary>
/// <remarks>
/// <c>down_blocks</c> is one flat list of residual blocks and changes of size; where the autoencoder is residual, a list of levels.
/// </remarks>
internal sealed class WanVaeEncoder : nn.Module
{
    [ComponentName(Name = "conv_in")]
    private readonly CausalConv3d _convIn;

    [ComponentName(Name = "down_blocks")]
    private readonly TorchSharp.Modules.ModuleList<nn.Module> _downBlocks;

    [ComponentName(Name = "mid_block")]
    private readonly WanVaeMiddle _midBlock;

    [ComponentName(Name = "norm_out")]
    private readonly ChannelRmsNorm _normOut;

    [ComponentName(Name = "conv_out")]
    private readonly CausalConv3d _convOut;

    private readonly CausalBlock[] _blocks;

    /// <summary>Makes the encoder.</summary>
    /// <param name="config">The autoencoder.</param>
    /// <param name="placement">Where and how weights are stored.</param>
    public WanVaeEncoder(WanVaeConfig config, Placement placement)
        : base(nameof(WanVaeEncoder))
    {
        WanVaeLevelShape[] levels = WanVaeLevelShape.Encoder(config);
        _convIn = new CausalConv3d(config.FoldedChannels, levels[0].InChannels, (3, 3), placement);
        _downBlocks = nn.ModuleList([.. levels.SelectMany(level => config.IsResidual
            ? [new WanVaeDownLevel(config.ResBlocks, level, placement)] : FlatLevel(config, level, placement))]);
        _midBlock = new WanVaeMiddle(levels[^1].OutChannels, placement);
        _normOut = new ChannelRmsNorm(levels[^1].OutChannels, axes: 3, placement);
        _convOut = new CausalConv3d(levels[^1].OutChannels, 2 * config.LatentChannels, (3, 3), placement);
        _blocks =
        [
            _convIn.Block, .. _downBlocks.Select(BlockOf), _midBlock.Block.Recomputed, new CausalBlock(_convOut.Block.States, Output).Recomputed,
        ];
        Block = new CausalBlock(_blocks.Sum(block => block.States), Forward);
        RegisterComponents();
    }

    /// <summary>The encoder as a part of a causal network: [B*T, c, H, W] to [B*T', 2 z, h, w].</summary>
    public CausalBlock Block { get; }

    private static IEnumerable<nn.Module> FlatLevel(WanVaeConfig config, WanVaeLevelShape level, Placement placement)
    {
        IEnumerable<nn.Module> resnets = WanVaeResBlock.CreateLevel(config.ResBlocks, level, placement);
        return level.Resamples ? resnets.Append(WanVaeResample.Down(level, placement)) : resnets;
    }

    private static CausalBlock BlockOf(nn.Module module) => module switch
    {
        WanVaeDownLevel level => level.Block,
        WanVaeResBlock resnet => resnet.Block.Recomputed,
        _ => ((WanVaeResample)module).Block.Recomputed,
    };

    private Tensor Forward(Tensor x, CausalPass pass)
    {
        using DisposeScope scope = NewDisposeScope();
        return _blocks.Aggregate(x, (frames, block) => block.Forward(frames, pass)).MoveToOuterDisposeScope();
    }

    private Tensor Output(Tensor x, CausalPass pass)
    {
        using Tensor active = _normOut.ForwardActivated(x, Activation.Silu);
        return _convOut.Forward(active, pass);
    }
}
