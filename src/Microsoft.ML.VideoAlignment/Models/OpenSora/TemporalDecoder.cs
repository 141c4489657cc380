using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Models.OpenSora;

/// <summary>
/// Video latents to image latents; the deepest level comes first and has the highest number. Reference: Open-Sora, <c>Decoder</c> of <c>VAE_Temporal</c>.
/// </summary>
internal sealed class TemporalDecoder : nn.Module
{
    [ComponentName(Name = "conv1")]
    private readonly TemporalVaeConv _convIn;

    [ComponentName(Name = "res_blocks")]
    private readonly TorchSharp.Modules.ModuleList<TemporalResBlock> _first;

    [ComponentName(Name = "block_res_blocks")]
    private readonly TorchSharp.Modules.ModuleList<TorchSharp.Modules.ModuleList<TemporalResBlock>> _levels;

    [ComponentName(Name = "conv_blocks")]
    private readonly TorchSharp.Modules.ModuleList<nn.Module> _doublings;

    [ComponentName(Name = "norm1")]
    private readonly GroupNorm _norm;

    [ComponentName(Name = "conv_out")]
    private readonly TemporalVaeConv _convOut;

    public TemporalDecoder(TemporalVaeConfig config, Placement placement)
        : base(nameof(TemporalDecoder))
    {
        long[] widths = [.. config.Multipliers.Select(multiplier => multiplier * config.Filters)];
        _convIn = new TemporalVaeConv(config.LatentChannels, widths[^1], 3, placement);
        _first = TemporalResBlock.CreateList(config.ResBlocks, widths[^1], widths[^1], config.NormGroups, placement);
        _levels = nn.ModuleList([.. widths.Select((width, level) =>
            TemporalResBlock.CreateList(config.ResBlocks, level == widths.Length - 1 ? width : widths[level + 1], width, config.NormGroups, placement))]);

        // Doubling number i follows level i + 1, at that level's width.
        _doublings = nn.ModuleList([.. widths.Skip(1).Select((width, step) =>
            config.Halves[step] ? (nn.Module)new TemporalVaeConv(width, 2 * width, 3, placement) : nn.Identity())]);
        _norm = SegmentNorm.Create(widths[0], config.NormGroups, placement);
        _convOut = new TemporalVaeConv(widths[0], config.InOutChannels, 3, placement);
        RegisterComponents();
    }

    /// <summary>Decodes video latents.</summary>
    /// <param name="x">[B*T, z, H, W].</param>
    /// <param name="frames">T.</param>
    /// <returns>[B*f T, c, H, W], f the time factor.</returns>
    public Tensor Forward(Tensor x, long frames)
    {
        using DisposeScope scope = NewDisposeScope();
        long given = frames; // blocks run again when frames has grown
        x = Recompute.Run(inputs => Blocks(_convIn.Forward(inputs[0], given), _first, given), x);
        for (int level = _levels.Count - 1; level >= 0; level--)
        {
            (TorchSharp.Modules.ModuleList<TemporalResBlock> blocks, long count) = (_levels[level], frames);
            x = Recompute.Run(inputs => Blocks(inputs[0], blocks, count), x);
            if (level > 0 && _doublings[level - 1] is TemporalVaeConv doubling)
            {
                x = Doubled(doubling.Forward(x, frames));
                frames *= 2;
            }
        }

        long all = frames;
        return Recompute.Run(inputs => _convOut.Forward(SegmentNorm.NormalizeAndActivate(_norm, inputs[0], all), all), x).MoveToOuterDisposeScope();
    }

    private static Tensor Blocks(Tensor x, TorchSharp.Modules.ModuleList<TemporalResBlock> blocks, long frames) =>
        blocks.Aggregate(x, (hidden, block) => block.Forward(hidden, frames));

    // [B*T, 2C, H, W] -> [B*2T, C, H, W]: channel 2c + s is channel c at time 2t + s.
    private static Tensor Doubled(Tensor x)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor pairs = x.permute(0, 2, 3, 1).unflatten(3, [-1, 2]); // [B*T, H, W, C, 2]
        return pairs.permute(0, 4, 1, 2, 3).flatten(0, 1).permute(0, 3, 1, 2).MoveToOuterDisposeScope();
    }
}
