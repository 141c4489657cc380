using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Models;

/// <summary>Images to twice the latent channels (means, then log-variances). Reference: diffusers, <c>Encoder</c> of the VAE.</summary>
internal sealed class VaeEncoder : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "conv_in")]
    private readonly Conv2d _convIn;

    [ComponentName(Name = "down_blocks")]
    private readonly TorchSharp.Modules.ModuleList<VaeLevel> _downBlocks;

    [ComponentName(Name = "mid_block")]
    private readonly VaeMiddle _midBlock;

    [ComponentName(Name = "conv_norm_out")]
    private readonly GroupNorm _convNormOut;

    [ComponentName(Name = "conv_out")]
    private readonly Conv2d _convOut;

    private readonly Activation _activation;

    public VaeEncoder(AutoencoderKLConfig config, Placement placement)
        : base(nameof(VaeEncoder))
    {
        IReadOnlyList<long> widths = config.BlockOutChannels;
        long stem = config.StemChannels ?? widths[0];
        _convIn = new Conv2d(config.InChannels, stem, 3, placement, padding: 1);
        _downBlocks = nn.ModuleList([.. widths.Select((width, level) => new VaeLevel(
            config, level == 0 ? stem : widths[level - 1], width, config.LayersPerBlock, downsample: level < widths.Count - 1, upsample: false, placement))]);
        _midBlock = new VaeMiddle(config, placement);
        _convNormOut = new GroupNorm(config.NormGroups, widths[^1], VaeMiddle.Eps, placement);
        _convOut = new Conv2d(widths[^1], 2 * config.LatentChannels, 3, placement, padding: 1);
        _activation = Activation.ByName(config.Activation);
        RegisterComponents();
    }

    /// <summary>Encodes images.</summary>
    /// <param name="x">[N, 3, H, W].</param>
    /// <returns>[N, 2 z, H / f, W / f], sizes rounded down at each level.</returns>
    public override Tensor forward(Tensor x)
    {
        using DisposeScope scope = NewDisposeScope();
        x = _convIn.forward(x);
        foreach (VaeLevel level in _downBlocks)
        {
            x = level.forward(x);
        }

        x = _midBlock.forward(x);
        return _convOut.forward(_convNormOut.ForwardActivated(x, _activation)).MoveToOuterDisposeScope();
    }
}
