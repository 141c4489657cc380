using System.Text.Json;
using Microsoft.ML.VideoAlignment.Layers;

namespace Microsoft.ML.VideoAlignment.Models.OpenSora;

/// <summary>The config.json of Open-Sora's <c>VideoAutoencoderPipeline</c>.</summary>
internal sealed record VideoAutoencoderConfig
{
    /// <summary>Factor of the image latents, whatever the image autoencoder's own config says.</summary>
    public const double ImageScale = 0.18215;

    /// <summary>The image autoencoder. The published file does not give its sizes, which are those of SDXL's.</summary>
    public AutoencoderKLConfig Spatial { get; init; } = new() { BlockOutChannels = [128, 256, 512, 512], LayersPerBlock = 2, ScalingFactor = ImageScale };

    public TemporalVaeConfig Temporal { get; init; } = new();

    /// <summary>Frames that are encoded and decoded independently of the others; null: all together.</summary>
    public int? ChunkFrames { get; init; }

    /// <summary>Images that are decoded at once: bounds memory, does not change the result.</summary>
    public int ImageBatch { get; init; } = 4;

    /// <summary>Numbers in the file's scale and shift: one per latent channel; null: one for all.</summary>
    public long? ScaleChannels { get; init; }

    /// <summary>Pixels per latent along each side.</summary>
    public int SpatialFactor => 1 << (Spatial.BlockOutChannels.Count - 1);

    /// <summary>Reads and checks a config.json.</summary>
    /// <param name="json">The content of the file.</param>
    /// <exception cref="InvalidDataException">A value has the wrong type or range.</exception>
    /// <exception cref="NotSupportedException">An option is not part of this network.</exception>
    public static VideoAutoencoderConfig FromJson(JsonElement json)
    {
        ConfigJson.RequireOnly(json, "model_type", "\"VideoAutoencoderPipeline\"");
        var defaults = new VideoAutoencoderConfig();
        JsonElement? images = ConfigJson.Find(json, "vae_2d");
        JsonElement? sizes = (images is { } part ? ConfigJson.Find(part, "config") : null) ?? ConfigJson.Find(json, "vae_2d_config");
        AutoencoderKLConfig spatial = sizes is { } given ? AutoencoderKLConfig.FromJson(given) : defaults.Spatial;
        long chunk = ConfigJson.Integer(json, "micro_frame_size", 0, minimum: 0);
        long batch = images is { } two ? ConfigJson.Integer(two, "micro_batch_size", defaults.ImageBatch) : defaults.ImageBatch;
        if (chunk < 0 || batch < 1)
        {
            throw new InvalidDataException($"config: micro_frame_size and micro_batch_size must be positive, got {chunk} and {batch}.");
        }

        return new VideoAutoencoderConfig
        {
            Spatial = spatial with { ScalingFactor = ImageScale },
            Temporal = ConfigJson.Find(json, "vae_temporal") is { } temporal ? TemporalVaeConfig.FromJson(temporal) : defaults.Temporal,
            ChunkFrames = chunk == 0 ? null : (int)chunk,
            ImageBatch = (int)batch,
            ScaleChannels = ConfigJson.Find(json, "scale") is { ValueKind: JsonValueKind.Array } scale ? scale.GetArrayLength() : null,
        };
    }

    /// <summary>Latent frames, rows and columns of a video; each chunk of frames is rounded up, rows and columns are rounded down.</summary>
    /// <param name="frames">Frames of the video.</param>
    /// <param name="height">Pixels.</param>
    /// <param name="width">Pixels.</param>
    public (int Frames, int Height, int Width) LatentSize(int frames, int height, int width) =>
        (LatentFrames(frames, ChunkFrames, Temporal.TimeFactor), height / SpatialFactor, width / SpatialFactor);

    /// <summary>Latent frames of a video whose chunks are encoded independently.</summary>
    /// <param name="frames">Frames of the video.</param>
    /// <param name="chunk">Frames of a chunk; null: all frames together.</param>
    /// <param name="timeFactor">Frames per latent frame.</param>
    public static int LatentFrames(int frames, int? chunk, int timeFactor)
    {
        int Ceiling(int count) => (count + timeFactor - 1) / timeFactor;
        return chunk is { } size ? (frames / size * Ceiling(size)) + Ceiling(frames % size) : Ceiling(frames);
    }
}
