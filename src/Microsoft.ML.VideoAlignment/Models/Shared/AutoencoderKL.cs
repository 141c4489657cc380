using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Models;

/// <summary>
/// The image autoencoder of Stable Diffusion, ModelScope and VideoCrafter (Rombach et al. 2022, arXiv 2112.10752). Reference: diffusers,
/// <c>AutoencoderKL</c>; keys are its.
/// </summary>
internal sealed class AutoencoderKL : nn.Module
{
    /// <summary>
    /// How names in a file become keys: files of before 2023 call the attention's layers query, key, value and proj_attn, and store them as matrices
    /// or as 1x1 convolutions.
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

    /// <summary>Latents as the denoiser has them = this times the encoder's.</summary>
    public double ScalingFactor => Config.ScalingFactor;

    /// <summary>Channels of the latents.</summary>
    public long LatentChannels => Config.EmbedChannels ?? Config.LatentChannels;

    /// <summary>Pixels per latent along each side.</summary>
    public int SpatialFactor => 1 << (Config.BlockOutChannels.Count - 1);

    /// <summary>
    /// What each level of the decoder keeps for the backward pass: its whole graph, or its inputs alone (see <see cref="Recompute"/>). No effect where
    /// gradients are off.
    /// </summary>
    public ActivationMemory Activations
    {
        get => _decoder.Activations;
        set => _decoder.Activations = value;
    }

    /// <summary>pixels: [N, 3, H, W] in [-1, 1] -> mean and log-variance (within [-30, 20]) of the posterior, each [N, z, H / f, W / f], not scaled.</summary>
    public (Tensor Mean, Tensor LogVariance) Encode(Tensor pixels)
    {
        Shapes.Require(pixels, $"N, {Config.InChannels}, H, W");
        using DisposeScope scope = NewDisposeScope();
        Tensor moments = _encoder.forward(pixels);
        (Tensor mean, Tensor logVariance) = GaussianPosterior.Split(_quantConv?.forward(moments) ?? moments);
        return (mean.MoveToOuterDisposeScope(), logVariance.MoveToOuterDisposeScope());
    }

    /// <summary>Latents as the denoiser has them: scaling factor x (mean + exp(log-variance / 2) x noise). All tensors of one shape.</summary>
    public Tensor Sample(Tensor mean, Tensor logVariance, Tensor noise)
    {
        using Tensor sample = GaussianPosterior.Sample(mean, logVariance, noise);
        return sample.Mul(ScalingFactor);
    }

    /// <summary>latents: [M, z, h, w] as the denoiser has them -> images [M, 3, f h, f w], about [-1, 1], not clamped.</summary>
    public Tensor Decode(Tensor latents)
    {
        Shapes.Require(latents, $"M, {LatentChannels}, h, w");
        using DisposeScope scope = NewDisposeScope();
        Tensor z = latents.Div(ScalingFactor);
        z = _postQuantConv?.forward(z) ?? z;
        return _decoder.forward(z).MoveToOuterDisposeScope();
    }

    /// <summary>As <see cref="Decode"/>, every frame for itself: latents [B, z, T, h, w] -> the <paramref name="chosen"/> frames (null: all) [B, 3, f, f h, f w].</summary>
    public Tensor DecodeFrames(Tensor latents, IReadOnlyList<int>? chosen)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor taken = chosen is null
            ? latents
            : FrameSelection.Select(latents, chosen);
        (long batch, long count) = (taken.shape[0], taken.shape[2]);
        Tensor images = taken.permute(0, 2, 1, 3, 4).flatten(0, 1); // [B, z, f, h, w] -> [B*f, z, h, w]
        Tensor decoded = Decode(images);
        return decoded.unflatten(0, [batch, count]).permute(0, 2, 1, 3, 4).MoveToOuterDisposeScope(); // -> [B, 3, f, H, W]
    }
}
