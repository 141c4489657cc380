using System.Text.Json;
using Microsoft.ML.VideoAlignment.Layers;

namespace Microsoft.ML.VideoAlignment.Models.Wan;

/// <summary>The config.json of a diffusers <c>AutoencoderKLWan</c>; defaults are the reference's, which are those of Wan 2.1.</summary>
internal sealed record WanVaeConfig
{
    /// <summary>Channels of a pixel.</summary>
    public const long PixelChannels = 3;

    /// <summary>Width of the encoder's first level.</summary>
    public long BaseDim { get; init; } = 96;

    /// <summary>Width of the decoder's last level; null: the encoder's first.</summary>
    public long? DecoderBaseDim { get; init; }

    /// <summary>z, channels of the latents.</summary>
    public long LatentChannels { get; init; } = 16;

    /// <summary>Factors of the base width that give each level's, from the full size down.</summary>
    public IReadOnlyList<long> Multipliers { get; init; } = [1, 2, 4, 4];

    /// <summary>Residual blocks of an encoder's level; a decoder's has one more.</summary>
    public long ResBlocks { get; init; } = 2;

    /// <summary>Whether the step from each level to the next halves the frames.</summary>
    public IReadOnlyList<bool> Halves { get; init; } = [false, true, true];

    /// <summary>Whether levels have shortcuts that average and repeat, as in Wan 2.2.</summary>
    public bool IsResidual { get; init; }

    /// <summary>Pixels along each side that are folded into channels before the first convolution; 1: none.</summary>
    public long PatchSize { get; init; } = 1;

    /// <summary>Mean of each latent channel: what the denoiser sees is (latent - mean) / deviation.</summary>
    public IReadOnlyList<double> LatentsMean { get; init; } = WanVaeStatistics.Mean16;

    /// <summary>Deviation of each latent channel.</summary>
    public IReadOnlyList<double> LatentsDeviation { get; init; } = WanVaeStatistics.Deviation16;

    /// <summary>The autoencoder of Wan 2.1, and of Wan 2.2's two-expert models: Wan2.1_VAE.pth.</summary>
    public static WanVaeConfig Wan21 { get; } = new();

    /// <summary>The autoencoder of Wan 2.2 TI2V-5B: Wan2.2_VAE.pth.</summary>
    public static WanVaeConfig Wan22 { get; } = new()
    {
        BaseDim = 160,
        DecoderBaseDim = 256,
        LatentChannels = 48,
        IsResidual = true,
        PatchSize = 2,
        LatentsMean = WanVaeStatistics.Mean48,
        LatentsDeviation = WanVaeStatistics.Deviation48,
    };

    /// <summary>Frames per latent frame after the first: 2 for each step that halves.</summary>
    public int TimeFactor => 1 << Halves.Count(halves => halves);

    /// <summary>Pixels per latent along each side.</summary>
    public long SpatialFactor => PatchSize << (Multipliers.Count - 1);

    /// <summary>Channels of folded pixels.</summary>
    public long FoldedChannels => PixelChannels * PatchSize * PatchSize;

    /// <summary>Reads and checks a config.json.</summary>
    /// <param name="json">The content of the file.</param>
    /// <exception cref="InvalidDataException">A value has the wrong type or range.</exception>
    /// <exception cref="NotSupportedException">An option is not part of this network.</exception>
    public static WanVaeConfig FromJson(JsonElement json)
    {
        ConfigJson.RequireOnly(json, "_class_name", "\"AutoencoderKLWan\"");
        if (ConfigJson.Numbers(json, "attn_scales", []) is { Count: > 0 } scales)
        {
            throw new NotSupportedException($"config: attn_scales has {scales.Count} entries; expected none: attention stands in the middle alone.");
        }

        var defaults = new WanVaeConfig();
        var config = new WanVaeConfig
        {
            BaseDim = ConfigJson.Integer(json, "base_dim", defaults.BaseDim),
            DecoderBaseDim = ConfigJson.Find(json, "decoder_base_dim") is null ? null : ConfigJson.Integer(json, "decoder_base_dim", 0),
            LatentChannels = ConfigJson.Integer(json, "z_dim", defaults.LatentChannels),
            Multipliers = ConfigJson.Integers(json, "dim_mult", [.. defaults.Multipliers]),
            ResBlocks = ConfigJson.Integer(json, "num_res_blocks", defaults.ResBlocks, maximum: ConfigJson.MaxLayers),
            Halves = ConfigJson.Flags(json, "temperal_downsample", defaults.Halves),
            IsResidual = ConfigJson.Flag(json, "is_residual", defaults.IsResidual),
            PatchSize = ConfigJson.Integer(json, "patch_size", defaults.PatchSize, maximum: 64),
            LatentsMean = ConfigJson.Numbers(json, "latents_mean", defaults.LatentsMean),
            LatentsDeviation = ConfigJson.Numbers(json, "latents_std", defaults.LatentsDeviation),
        };
        config.Validate();
        RequireEqual(json, "in_channels", PixelChannels, config.FoldedChannels, "3 patch_size^2");
        RequireEqual(json, "out_channels", PixelChannels, config.FoldedChannels, "3 patch_size^2");
        RequireEqual(json, "scale_factor_temporal", config.TimeFactor, config.TimeFactor, "2 for each true of temperal_downsample, multiplied");
        RequireEqual(json, "scale_factor_spatial", config.SpatialFactor, config.SpatialFactor, "patch_size, doubled between levels");
        return config;
    }

    /// <summary>Checks that the numbers fit each other.</summary>
    /// <exception cref="InvalidDataException">They do not.</exception>
    public void Validate()
    {
        if (Multipliers.Count == 0 || Halves.Count != Multipliers.Count - 1)
        {
            throw new InvalidDataException(
                $"config: temperal_downsample must have an entry for each step between levels; dim_mult has {Multipliers.Count} levels, temperal_downsample "
                + $"{Halves.Count} entries.");
        }

        foreach ((string key, IReadOnlyList<double> numbers) in new[] { ("latents_mean", LatentsMean), ("latents_std", LatentsDeviation) })
        {
            if (numbers.Count != LatentChannels)
            {
                throw new InvalidDataException($"config: {key} must have a number for each of z_dim's {LatentChannels} channels; got {numbers.Count}.");
            }
        }

        if (LatentsDeviation.Any(deviation => !(deviation > 0)))
        {
            throw new InvalidDataException($"config: latents_std: expected numbers above 0, got {string.Join(", ", LatentsDeviation)}.");
        }

        if (IsResidual)
        {
            WanVaeLevelShape.RequireShortcuts(this);
        }
    }

    /// <summary>Latent frames of a video.</summary>
    /// <param name="frames">Frames of the video.</param>
    /// <exception cref="ArgumentException">The frames are not 1 more than a multiple of the factor in time.</exception>
    public int LatentFrames(long frames)
    {
        if (frames < 1 || (frames - 1) % TimeFactor != 0)
        {
            throw new ArgumentException(
                $"frames: expected 1 more than a multiple of {TimeFactor}, got {frames}; the nearest is {NearestFrames(frames)}. Cut the video or repeat its "
                    + "last frame.",
                nameof(frames));
        }

        return (int)((frames - 1) / TimeFactor) + 1;
    }

    /// <summary>Names the numbers of frames nearest to one that latents cannot stand for.</summary>
    /// <param name="frames">Frames of the video.</param>
    public string NearestFrames(long frames)
    {
        long below = frames - ((frames - 1) % TimeFactor);
        return frames < 1 ? "1" : $"{below} or {below + TimeFactor}";
    }

    /// <summary>Frames of the video that latents stand for.</summary>
    /// <param name="latents">Latent frames.</param>
    public int Frames(long latents) => (int)((latents - 1) * TimeFactor) + 1;

    private static void RequireEqual(JsonElement json, string key, long fallback, long expected, string rule)
    {
        if (ConfigJson.Integer(json, key, fallback) is var value && value != expected)
        {
            throw new InvalidDataException($"config: {key}: expected {expected} ({rule}), got {value}.");
        }
    }
}
