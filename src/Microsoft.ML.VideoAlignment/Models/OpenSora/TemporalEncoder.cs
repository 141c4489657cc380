using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Models.OpenSora;

/// <summary>Image latents to the moments of video latents. Reference: Open-Sora, <c>Encoder</c> of <c>VAE_Temporal</c>.</summary>
internal sealed class TemporalEncoder : nn.Module
{
    [ComponentName(Name = "conv_in")]
    private readonly TemporalVaeConv _convIn;

    [ComponentName(Name = "block_res_blocks")]
    private readonly TorchSharp.Modules.ModuleList<TorchSharp.Modules.ModuleList<TemporalResBlock>> _levels;

    [ComponentName(Name = "conv_blocks")]
    private readonly TorchSharp.Modules.ModuleList<nn.Module> _halvings;

    [ComponentName(Name = "res_blocks")]
    private readonly TorchSharp.Modules.ModuleList<TemporalResBlock> _last;

    [ComponentName(Name = "norm1")]
    private readonly GroupNorm _norm;

    [ComponentName(Name = "conv2")]
    private readonly TemporalVaeConv _convOut;

    public TemporalEncoder(TemporalVaeConfig config, Placement placement)
        : base(nameof(TemporalEncoder))
    {
        long[] widths = [.. config.Multipliers.Select(multiplier => multiplier * config.Filters)];
        _convIn = new TemporalVaeConv(config.InOutChannels, config.Filters, 3, placement, bias: false);
        _levels = nn.ModuleList([.. widths.Select((width, level) =>
            TemporalResBlock.CreateList(config.ResBlocks, level == 0 ? config.Filters : widths[level - 1], width, config.NormGroups, placement))]);

        // A step that keeps the frames has no weights but keeps its number in the names.
        _halvings = nn.ModuleList([.. widths.SkipLast(1).Select((width, level) =>
            config.Halves[level] ? (nn.Module)new TemporalVaeConv(width, width, 3, placement, stride: 2) : nn.Identity())]);
        _last = TemporalResBlock.CreateList(config.ResBlocks, widths[^1], widths[^1], config.NormGroups, placement);
        _norm = SegmentNorm.Create(widths[^1], config.NormGroups, placement);
        _convOut = new TemporalVaeConv(widths[^1], 2 * config.LatentChannels, 1, placement);
        RegisterComponents();
    }

    /// <summary>Encodes image latents.</summary>
    /// <param name="x">[B*T, c, H, W], T a multiple of the time factor f.</param>
    /// <param name="frames">T.</param>
    /// <returns>[B*T / f, 2z, H, W].</returns>
    public Tensor Forward(Tensor x, long frames)
    {
        using DisposeScope scope = NewDisposeScope();
        x = _convIn.Forward(x, frames);
        for (int level = 0; level < _levels.Count; level++)
        {
            x = _levels[level].Aggregate(x, (hidden, block) => block.Forward(hidden, frames));
            if (level < _halvings.Count && _halvings[level] is TemporalVaeConv halving)
            {
                x = halving.Forward(x, frames);
                frames /= 2;
            }
        }

        x = _last.Aggregate(x, (hidden, block) => block.Forward(hidden, frames));
        return _convOut.Forward(SegmentNorm.NormalizeAndActivate(_norm, x, frames), frames).MoveToOuterDisposeScope();
    }
}
