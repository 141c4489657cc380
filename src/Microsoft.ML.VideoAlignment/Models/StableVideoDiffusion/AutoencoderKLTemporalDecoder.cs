using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Models.StableVideoDiffusion;

/// <summary>
/// The autoencoder of Stable Video Diffusion (Blattmann et al. 2023, arXiv 2311.15127): the image encoder of <see cref="AutoencoderKL"/> and a decoder that
/// blends every residual block with one over time. Reference: diffusers, <c>AutoencoderKLTemporalDecoder</c>, whose keys it has.
/// </summary>
internal sealed class AutoencoderKLTemporalDecoder : nn.Module
{
    [ComponentName(Name = "encoder")]
    private readonly VaeEncoder _encoder;

    [ComponentName(Name = "decoder")]
    private readonly TemporalVaeDecoder _decoder;

    [ComponentName(Name = "quant_conv")]
    private readonly Conv2d _quantConv;

    public AutoencoderKLTemporalDecoder(AutoencoderKLConfig config, Placement placement)
        : base(nameof(AutoencoderKLTemporalDecoder))
    {
        config.Validate();
        Config = config;
        _encoder = new VaeEncoder(config, placement);
        _decoder = new TemporalVaeDecoder(config, placement);
        _quantConv = new Conv2d(2 * config.LatentChannels, 2 * config.LatentChannels, 1, placement);
        RegisterComponents();
    }

    public AutoencoderKLConfig Config { get; }

    /// <summary>Factor from the encoder's latents to the denoiser's; image conditions are not scaled.</summary>
    public double ScalingFactor => Config.ScalingFactor;

    /// <summary>Pixels per latent along each side: f.</summary>
    public int SpatialFactor => 1 << (Config.BlockOutChannels.Count - 1);

    /// <summary>Encodes images to the posterior of their latents, not scaled.</summary>
    /// <param name="pixels">[N, 3, H, W] in [-1, 1].</param>
    /// <returns>Mean and log-variance (within [-30, 20]), each [N, z, H / f, W / f].</returns>
    public (Tensor Mean, Tensor LogVariance) Encode(Tensor pixels)
    {
        Shapes.Require(pixels, $"N, {Config.InChannels}, H, W");
        using DisposeScope scope = NewDisposeScope();
        (Tensor mean, Tensor logVariance) = GaussianPosterior.Split(_quantConv.forward(_encoder.forward(pixels)));
        return (mean.MoveToOuterDisposeScope(), logVariance.MoveToOuterDisposeScope());
    }

    /// <summary>Decodes latents to images, about [-1, 1], not clamped. A frame depends on all of its video.</summary>
    /// <param name="z">The encoder's latents (divided by <see cref="ScalingFactor"/>) [V*T, z, h, w], frames of a video adjacent.</param>
    /// <param name="frames">T.</param>
    /// <returns>[V*T, 3, f h, f w].</returns>
    public Tensor Decode(Tensor z, long frames)
    {
        Shapes.Require(z, $"N, {Config.LatentChannels}, h, w");
        if (frames < 1 || z.shape[0] % frames != 0)
        {
            throw new ArgumentException($"frames: {z.shape[0]} rows are not a whole number of videos of {frames} frames.", nameof(frames));
        }

        return _decoder.Forward(z, frames);
    }
}
