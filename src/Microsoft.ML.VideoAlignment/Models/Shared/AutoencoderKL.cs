using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Models;

/// <summary>
/// The image autoencoder of Stable Diffusion, ModelScope and VideoCrafter (Rombach et al. 2022, arXiv 2112.10752). Reference: diffusers, <c>AutoencoderKL</c>,
/// whose keys it has.
/// </summary>
internal sealed class AutoencoderKL : nn.Module
{
    /// <summary>
    /// How names in a file become keys: files from before 2023 call the attention's layers query, key, value and proj_attn, and store them as matrices or as
    /// 1x1 convolutions.
    /// </summary>
    public static KeyMap Keys { get; } = new()
    {
        Aliases =
        [
            (".attentions.0.query.", ".attentions.0.to_q."), (".attentions.0.key.", ".attentions.0.to_k."),
            (".attentions.0.value.", ".attentions.0.to_v."), (".attentions.0.proj_attn.", ".attentions.0.to_out.0."),
        ],
        Reshape = ["*.attentions.0.to_*.weight"],
    };

    [ComponentName(Name = "encoder")]
    private readonly VaeEncoder _encoder;

    [ComponentName(Name = "decoder")]
    private readonly VaeDecoder _decoder;

    [ComponentName(Name = "quant_conv")]
    private readonly Conv2d? _quantConv;

    [ComponentName(Name = "post_quant_conv")]
    private readonly Conv2d? _postQuantConv;

    public AutoencoderKL(AutoencoderKLConfig config, Placement placement)
        : base(nameof(AutoencoderKL))
    {
        config.Validate();
        Config = config;
        long z = config.LatentChannels, latents = LatentChannels;
        _encoder = new VaeEncoder(config, placement);
        _decoder = new VaeDecoder(config, placement);
        _quantConv = config.UseQuantConv ? new Conv2d(2 * z, 2 * latents, 1, placement) : null;
        _postQuantConv = config.UsePostQuantConv ? new Conv2d(latents, z, 1, placement) : null;
        RegisterComponents();
    }

    public AutoencoderKLConfig Config { get; }

    /// <summary>Factor from the encoder's latents to the denoiser's.</summary>
    public double ScalingFactor => Config.ScalingFactor;

    /// <summary>Channels of the latents.</summary>
    public long LatentChannels => Config.EmbedChannels ?? Config.LatentChannels;

    /// <summary>Pixels per latent along each side: f.</summary>
    public int SpatialFactor => 1 << (Config.BlockOutChannels.Count - 1);

    /// <summary>Encodes images to the posterior of their latents, not scaled.</summary>
    /// <param name="pixels">[N, 3, H, W] in [-1, 1].</param>
    /// <returns>Mean and log-variance (within [-30, 20]), each [N, z, H / f, W / f].</returns>
    public (Tensor Mean, Tensor LogVariance) Encode(Tensor pixels)
    {
        Shapes.Require(pixels, $"N, {Config.InChannels}, H, W");
        using DisposeScope scope = NewDisposeScope();
        Tensor moments = _encoder.forward(pixels);
        (Tensor mean, Tensor logVariance) = GaussianPosterior.Split(_quantConv?.forward(moments) ?? moments);
        return (mean.MoveToOuterDisposeScope(), logVariance.MoveToOuterDisposeScope());
    }

    /// <summary>Samples the denoiser's latents: scaling factor x (mean + exp(log-variance / 2) x noise).</summary>
    /// <param name="mean">[N, z, h, w].</param>
    /// <param name="logVariance">[N, z, h, w].</param>
    /// <param name="noise">Standard normal [N, z, h, w].</param>
    /// <returns>[N, z, h, w].</returns>
    public Tensor Sample(Tensor mean, Tensor logVariance, Tensor noise)
    {
        using Tensor sample = GaussianPosterior.Sample(mean, logVariance, noise);
        return sample.Mul(ScalingFactor);
    }

    /// <summary>Decodes latents to images, about [-1, 1], not clamped.</summary>
    /// <param name="latents">The denoiser's latents [M, z, h, w].</param>
    /// <returns>[M, 3, f h, f w].</returns>
    public Tensor Decode(Tensor latents)
    {
        Shapes.Require(latents, $"M, {LatentChannels}, h, w");
        using DisposeScope scope = NewDisposeScope();
        Tensor z = latents.Div(ScalingFactor);
        z = _postQuantConv?.forward(z) ?? z;
        return _decoder.forward(z).MoveToOuterDisposeScope();
    }

    /// <summary>Decodes frames of videos, each independently; see <see cref="Decode"/>.</summary>
    /// <param name="latents">The denoiser's latents [B, z, T, h, w].</param>
    /// <param name="chosen">Indices of the frames to decode; null: all.</param>
    /// <returns>[B, 3, number of frames, f h, f w].</returns>
    public Tensor DecodeFrames(Tensor latents, IReadOnlyList<int>? chosen)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor taken = chosen is null
            ? latents
            : FrameSelection.Select(latents, chosen);
        (long batch, long count) = (taken.shape[0], taken.shape[2]);
        Tensor images = taken.permute(0, 2, 1, 3, 4).flatten(0, 1); // [B, z, f, h, w] -> [B*f, z, h, w]
        Tensor decoded = Recompute.TileBytes is null || images.shape[0] == 1 ? Decode(images)
            : cat([.. images.split(1).Select(image => Recompute.Run(inputs => Decode(inputs[0]), image))]);
        return decoded.unflatten(0, [batch, count]).permute(0, 2, 1, 3, 4).MoveToOuterDisposeScope(); // -> [B, 3, f, H, W]
    }
}
