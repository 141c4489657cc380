using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Models.Wan;

/// <summary>Latents to folded pixels; <c>up_blocks.0</c> is the deepest level. Reference: diffusers, <c>WanDecoder3d</c>.</summary>
internal sealed class WanVaeDecoder : nn.Module
{
    // Frames before its own that each causal layer looks at.
    private const long FramesBack = 2;

    [ComponentName(Name = "conv_in")]
    private readonly CausalConv3d _convIn;

    [ComponentName(Name = "mid_block")]
    private readonly WanVaeMiddle _midBlock;

    [ComponentName(Name = "up_blocks")]
    private readonly TorchSharp.Modules.ModuleList<WanVaeUpLevel> _upBlocks;

    [ComponentName(Name = "norm_out")]
    private readonly ChannelRmsNorm _normOut;

    [ComponentName(Name = "conv_out")]
    private readonly CausalConv3d _convOut;

    private readonly Stage[] _stages;

    /// <summary>Makes the decoder.</summary>
    /// <param name="config">The autoencoder.</param>
    /// <param name="placement">Where and how weights are stored.</param>
    public WanVaeDecoder(WanVaeConfig config, Placement placement)
        : base(nameof(WanVaeDecoder))
    {
        WanVaeLevelShape[] levels = WanVaeLevelShape.Decoder(config);
        _convIn = new CausalConv3d(config.LatentChannels, levels[0].InChannels, (3, 3), placement);
        _midBlock = new WanVaeMiddle(levels[0].InChannels, placement);
        _upBlocks = nn.ModuleList([.. levels.Select(level => new WanVaeUpLevel(config, level, placement))]);
        _normOut = new ChannelRmsNorm(levels[^1].OutChannels, axes: 3, placement);
        _convOut = new CausalConv3d(levels[^1].OutChannels, config.FoldedChannels, (3, 3), placement);
        _stages =
        [
            new Stage(_convIn.Block), new Stage(_midBlock.Block.Recomputed), .. _upBlocks.Select(level => new Stage(level.Block, level.DoublesFrames)),
            new Stage(new CausalBlock(_convOut.Block.States, Output).Recomputed),
        ];
        Block = new CausalBlock(_stages.Sum(stage => stage.Block.States), Forward);
        RegisterComponents();
    }

    /// <summary>The decoder as a part of a causal network: [B*T, z, h, w] to [B*T', c, H, W].</summary>
    public CausalBlock Block { get; }

    /// <summary>Decodes the last frames of a video; each stage runs over those frames alone that they depend on.</summary>
    /// <param name="z">[B*T, z, h, w].</param>
    /// <param name="batch">B.</param>
    /// <param name="count">How many frames of the result.</param>
    /// <returns>[B*count, c, H, W].</returns>
    public Tensor ForwardLast(Tensor z, long batch, long count)
    {
        using DisposeScope scope = NewDisposeScope();
        long[] needed = FramesNeeded(z.shape[0] / batch, count);
        bool isStart = true;
        Tensor x = z;
        for (int i = 0; i < _stages.Length; i++)
        {
            Tensor part = Last(x, batch, needed[i], ref isStart);
            using CausalPass pass = isStart ? CausalPass.Whole(batch) : CausalPass.WithoutPast(batch);
            x = _stages[i].Block.Forward(part, pass);
        }

        return Last(x, batch, count, ref isStart).MoveToOuterDisposeScope();
    }

    // Before each stage, how many of its last frames the result depends on.
    private long[] FramesNeeded(long latents, long count)
    {
        var given = new long[_stages.Length + 1];
        given[0] = latents;
        for (int i = 0; i < _stages.Length; i++)
        {
            given[i + 1] = _stages[i].DoublesFrames ? (2 * given[i]) - 1 : given[i];
        }

        var needed = new long[_stages.Length];
        for (int i = _stages.Length - 1; i >= 0; i--)
        {
            // Frame j > 0 becomes frames 2j - 1 and 2j.
            long single = _stages[i].DoublesFrames ? given[i] - ((given[i + 1] - count + 1) / 2) : count;
            count = needed[i] = Math.Min(given[i], single + (FramesBack * _stages[i].Block.States));
        }

        return needed;
    }

    private Tensor Forward(Tensor x, CausalPass pass)
    {
        using DisposeScope scope = NewDisposeScope();
        return _stages.Aggregate(x, (frames, stage) => stage.Block.Forward(frames, pass)).MoveToOuterDisposeScope();
    }

    private Tensor Output(Tensor x, CausalPass pass)
    {
        using Tensor active = _normOut.ForwardActivated(x, Activation.Silu);
        return _convOut.Forward(active, pass);
    }

    // The last frames of a segment; where some are left out, the rest is no longer the start of the video.
    private static Tensor Last(Tensor x, long batch, long count, ref bool isStart)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor segments = x.unflatten(0, [batch, -1]);
        long frames = segments.shape[1];
        isStart = isStart && count == frames;
        return segments.narrow(1, frames - count, count).flatten(0, 1).MoveToOuterDisposeScope();
    }

    /// <summary>A part of the decoder, and what it does to the number of frames.</summary>
    /// <param name="Block">The part.</param>
    /// <param name="DoublesFrames">Whether it doubles the frames after the first.</param>
    private readonly record struct Stage(CausalBlock Block, bool DoublesFrames = false);
}
