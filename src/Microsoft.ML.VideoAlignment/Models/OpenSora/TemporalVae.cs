using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Models.OpenSora;

/// <summary>
/// The second half of Open-Sora's autoencoder: reduces the frames of image latents by causal convolutions. Reference: Open-Sora, <c>VAE_Temporal</c>, whose
/// keys it has.
/// </summary>
/// <remarks>Its GroupNorms look at all frames of a call, so decoding is not causal: early frames do depend on late latents.</remarks>
internal sealed class TemporalVae : nn.Module
{
    // Bounds of the log-variance; outside them its gradient is zero.
    private const double LeastLogVariance = -30, LargestLogVariance = 20;

    [ComponentName(Name = "encoder")]
    private readonly TemporalEncoder _encoder;

    [ComponentName(Name = "quant_conv")]
    private readonly TemporalVaeConv _quantConv;

    [ComponentName(Name = "post_quant_conv")]
    private readonly TemporalVaeConv _postQuantConv;

    [ComponentName(Name = "decoder")]
    private readonly TemporalDecoder _decoder;

    public TemporalVae(TemporalVaeConfig config, Placement placement)
        : base(nameof(TemporalVae))
    {
        config.Validate();
        Config = config;
        _encoder = new TemporalEncoder(config, placement);
        _quantConv = new TemporalVaeConv(2 * config.LatentChannels, 2 * config.EmbedChannels, 1, placement);
        _postQuantConv = new TemporalVaeConv(config.EmbedChannels, config.LatentChannels, 1, placement);
        _decoder = new TemporalDecoder(config, placement);
        RegisterComponents();
    }

    public TemporalVaeConfig Config { get; }

    /// <summary>Encodes image latents to the posterior of video latents. Zeros in front fill the frames up to a multiple of f.</summary>
    /// <param name="x">[B, c, T, h, w].</param>
    /// <returns>Mean and log-variance (within [-30, 20]), each [B, z, ceil(T / f), h, w].</returns>
    public (Tensor Mean, Tensor LogVariance) Encode(Tensor x)
    {
        using DisposeScope scope = NewDisposeScope();
        long lack = Lack(x.shape[2]);
        Tensor whole = lack == 0 ? x : nn.functional.pad(x, [0, 0, 0, 0, lack, 0]);
        (long frames, long latents) = (whole.shape[2], whole.shape[2] / Config.TimeFactor);
        Tensor moments = _quantConv.Forward(_encoder.Forward(SegmentImages.Flatten(whole), frames), latents);
        Tensor[] halves = SegmentImages.Unflatten(moments, latents).chunk(2, dim: 1);
        return (halves[0].contiguous().MoveToOuterDisposeScope(), halves[1].Clamp(LeastLogVariance, LargestLogVariance).contiguous().MoveToOuterDisposeScope());
    }

    /// <summary>Decodes video latents to image latents, and cuts the frames that were zeros in front.</summary>
    /// <param name="z">[B, z, ceil(T / f), h, w].</param>
    /// <param name="frames">T.</param>
    /// <returns>[B, c, T, h, w].</returns>
    public Tensor Decode(Tensor z, long frames)
    {
        using DisposeScope scope = NewDisposeScope();
        long latents = z.shape[2];
        Tensor images = _decoder.Forward(_postQuantConv.Forward(SegmentImages.Flatten(z), latents), latents);
        Tensor segment = SegmentImages.Unflatten(images, latents * Config.TimeFactor);
        long lack = Lack(frames);
        return segment.narrow(2, lack, segment.shape[2] - lack).MoveToOuterDisposeScope();
    }

    // (-frames) mod f.
    private long Lack(long frames) => (Config.TimeFactor - (frames % Config.TimeFactor)) % Config.TimeFactor;
}
