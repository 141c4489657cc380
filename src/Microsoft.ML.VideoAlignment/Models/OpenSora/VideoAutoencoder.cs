using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Models.OpenSora;

/// <summary>
/// The autoencoder of Open-Sora 1.2: an image autoencoder for every frame, then a temporal one in independent chunks of 17 frames, then a fixed normalization.
/// Reference: Open-Sora, <c>VideoAutoencoderPipeline</c>, whose keys it has.
/// </summary>
internal sealed class VideoAutoencoder : nn.Module
{
    [ComponentName(Name = "spatial_vae")]
    private readonly ImageAutoencoder _spatial;

    [ComponentName(Name = "temporal_vae")]
    private readonly TemporalVae _temporal;

    [ComponentName(Name = "scale")]
    private readonly Tensor _scale;

    [ComponentName(Name = "shift")]
    private readonly Tensor _shift;

    public VideoAutoencoder(VideoAutoencoderConfig config, Placement placement)
        : base(nameof(VideoAutoencoder))
    {
        Config = config;
        _spatial = new ImageAutoencoder(config.Spatial, placement);
        _temporal = new TemporalVae(config.Temporal, placement);
        Placement exact = placement with { Dtype = ScalarType.Float32 };
        long[] shape = config.ScaleChannels is { } channels ? [1, channels, 1, 1, 1] : [];
        _scale = exact.Buffer(shape);
        _shift = exact.Buffer(shape);
        RegisterComponents();
    }

    public VideoAutoencoderConfig Config { get; }

    /// <summary>Checks the file's scale and shift, which normalize every latent.</summary>
    /// <param name="location">The file, for the message.</param>
    /// <exception cref="WeightFileException">They are not finite, or a scale is 0.</exception>
    public void RequireScale(string location)
    {
        using DisposeScope scope = NewDisposeScope();
        (Tensor scale, Tensor shift) = (Buffer("scale"), Buffer("shift"));
        if (!HostRead.Flag(scale.isfinite().all()) || !HostRead.Flag(scale.NotEqualTo(0).all()) || !HostRead.Flag(shift.isfinite().all()))
        {
            throw new WeightFileException(location, "its scale and shift of latents must be finite, and the scale not 0: the file is damaged.");
        }
    }

    /// <summary>How names in a file become keys: the image autoencoder's old spellings.</summary>
    public static KeyMap Keys => AutoencoderKL.Keys;

    /// <summary>Encodes videos to the denoiser's latents.</summary>
    /// <param name="pixels">[B, 3, T, H, W] in [-1, 1].</param>
    /// <param name="imageNoise">Standard normal noise of the image posterior, [B*T, 4, h, w].</param>
    /// <param name="videoNoise">Standard normal noise of the video posterior, [B, 4, T', h, w].</param>
    /// <returns>[B, 4, T', h, w].</returns>
    public Tensor Encode(Tensor pixels, Tensor imageNoise, Tensor videoNoise)
    {
        Shapes.Require(pixels, $"B, {Config.Spatial.InChannels}, T, H, W");
        using DisposeScope scope = NewDisposeScope();
        long frames = pixels.shape[2];
        IEnumerable<Tensor> parts = SegmentImages.Flatten(pixels).split(Config.ImageBatch)
            .Zip(imageNoise.split(Config.ImageBatch), (part, noise) =>
            {
                (Tensor mean, Tensor logVariance) = _spatial.Module.Encode(part);
                return _spatial.Module.Sample(mean, logVariance, noise);
            });
        Tensor segment = SegmentImages.Unflatten(cat([.. parts]), frames); // [B, 4, T, h, w]
        var latents = new List<Tensor>();
        long start = 0;
        foreach (Tensor chunk in segment.split(Config.ChunkFrames ?? frames, dim: 2))
        {
            (Tensor mean, Tensor logVariance) = _temporal.Encode(chunk);
            latents.Add(mean.Add(logVariance.Div(2).exp() * videoNoise.narrow(2, start, mean.shape[2])));
            start += mean.shape[2];
        }

        return ((cat(latents, dim: 2) - Buffer("shift")) / Buffer("scale")).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// Decodes latents to frames, about [-1, 1], not clamped. Only the chunks that hold the chosen frames are decoded; a frame does not depend on which others
    /// are chosen.
    /// </summary>
    /// <param name="latents">The denoiser's latents [B, 4, T', h, w].</param>
    /// <param name="frames">Frames of the video.</param>
    /// <param name="chosen">Indices of the frames to decode, ascending; null: all.</param>
    /// <returns>[B, 3, number of chosen frames, H, W].</returns>
    /// <exception cref="ArgumentException">The latents do not have T' frames.</exception>
    public Tensor Decode(Tensor latents, int frames, IReadOnlyList<int>? chosen = null)
    {
        Shapes.Require(latents, $"B, {Config.Temporal.EmbedChannels}, T, h, w");
        int chunk = Config.ChunkFrames ?? frames;
        int latentChunk = VideoAutoencoderConfig.LatentFrames(chunk, Config.ChunkFrames, Config.Temporal.TimeFactor);
        int expected = VideoAutoencoderConfig.LatentFrames(frames, Config.ChunkFrames, Config.Temporal.TimeFactor);
        if (latents.shape[2] != expected)
        {
            throw new ArgumentException($"A video of {frames} frames has {expected} latent frames; got {Shapes.Describe(latents)}.", nameof(latents));
        }

        using DisposeScope scope = NewDisposeScope();
        Tensor z = (latents * Buffer("scale")).Add(Buffer("shift"));
        var segments = new List<Tensor>();
        foreach (IGrouping<int, int> wanted in (chosen ?? [.. Enumerable.Range(0, frames)]).GroupBy(frame => frame / chunk))
        {
            int start = wanted.Key * latentChunk;
            Tensor piece = z.narrow(2, start, Math.Min(latentChunk, expected - start));
            Tensor decoded = _temporal.Decode(piece, Math.Min(chunk, frames - (wanted.Key * chunk)));
            int[] local = [.. wanted.Select(frame => frame - (wanted.Key * chunk))];
            segments.Add(local.Length == decoded.shape[2] ? decoded : FrameSelection.Select(decoded, local));
        }

        Tensor images = SegmentImages.Flatten(cat(segments, dim: 2));
        Tensor pixels = cat([.. images.split(Config.ImageBatch).Select(_spatial.Module.Decode)]);
        return SegmentImages.Unflatten(pixels, pixels.shape[0] / latents.shape[0]).MoveToOuterDisposeScope();
    }

    // By name: moving a module replaces its buffers.
    private Tensor Buffer(string name) => get_buffer(name)!;

    // Holds the key module.
    private sealed class ImageAutoencoder : nn.Module
    {
        [ComponentName(Name = "module")]
        public readonly AutoencoderKL Module;

        public ImageAutoencoder(AutoencoderKLConfig config, Placement placement)
            : base(nameof(ImageAutoencoder))
        {
            Module = new AutoencoderKL(config, placement);
            RegisterComponents();
        }
    }
}
