using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Models;

/// <summary>Latents to images; <c>up_blocks.0</c> is the deepest level. Reference: diffusers, <c>Decoder</c> of the VAE.</summary>
internal sealed class VaeDecoder : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "conv_in")]
    private readonly Conv2d _convIn;

    [ComponentName(Name = "mid_block")]
    private readonly VaeMiddle _midBlock;

    [ComponentName(Name = "up_blocks")]
    private readonly TorchSharp.Modules.ModuleList<VaeLevel> _upBlocks;

    [ComponentName(Name = "conv_norm_out")]
    private readonly GroupNorm _convNormOut;

    [ComponentName(Name = "conv_out")]
    private readonly Conv2d _convOut;

    private readonly Activation _activation;

    public VaeDecoder(AutoencoderKLConfig config, Placement placement)
        : base(nameof(VaeDecoder))
    {
        long[] widths = [.. config.BlockOutChannels.Reverse()];
        _convIn = new Conv2d(config.LatentChannels, widths[0], 3, placement, padding: 1);
        _midBlock = new VaeMiddle(config, placement);
        _upBlocks = nn.ModuleList([.. widths.Select((width, level) => new VaeLevel(
            config, level == 0 ? widths[0] : widths[level - 1], width, config.LayersPerBlock + 1, downsample: false,
            upsample: level < widths.Length - 1, placement))]);
        _convNormOut = new GroupNorm(config.NormGroups, widths[^1], VaeMiddle.Eps, placement);
        _convOut = new Conv2d(widths[^1], config.OutChannels, 3, placement, padding: 1);
        _activation = Activation.ByName(config.Activation);
        RegisterComponents();
    }

    /// <summary>Decodes latents.</summary>
    /// <param name="x">The encoder's latents, after post_quant_conv [N, z, h, w].</param>
    /// <returns>[N, 3, f h, f w].</returns>
    public override Tensor forward(Tensor x)
    {
        using DisposeScope scope = NewDisposeScope();
        x = Recompute.Run(inputs => _midBlock.forward(_convIn.forward(inputs[0])), x);
        foreach (VaeLevel level in _upBlocks)
        {
            x = Recompute.Run(inputs => Recompute.TileBytes is null ? level.forward(inputs[0]) : level.ForwardInBands(inputs[0]), x);
        }

        return Recompute.Run(inputs => Output(inputs[0]), x).MoveToOuterDisposeScope();
    }

    private Tensor Output(Tensor x)
    {
        if (ImageBands.Suits(x))
        {
            return BandedBlocks.NormAndConvolve(x, _convNormOut, _activation, _convOut);
        }

        using DisposeScope scope = NewDisposeScope();
        return _convOut.forward(_convNormOut.ForwardActivated(x, _activation)).MoveToOuterDisposeScope();
    }
}
