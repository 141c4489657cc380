using System.Text.Json;
using Microsoft.ML.VideoAlignment.Layers;

namespace Microsoft.ML.VideoAlignment.Models.OpenSora;

/// <summary>The <c>vae_temporal</c> part of Open-Sora's VAE config; defaults are those of its published model (<c>VAE_Temporal_SD</c>).</summary>
internal sealed record TemporalVaeConfig
{
    /// <summary>Channels of the image latents, at both ends.</summary>
    public long InOutChannels { get; init; } = 4;

    /// <summary>Channels of the encoder's mean.</summary>
    public long LatentChannels { get; init; } = 4;

    /// <summary>Channels of the video latents.</summary>
    public long EmbedChannels { get; init; } = 4;

    public long Filters { get; init; } = 128;

    public long ResBlocks { get; init; } = 4;

    /// <summary>Factors of the filters that give each level's width.</summary>
    public IReadOnlyList<long> Multipliers { get; init; } = [1, 2, 2, 4];

    /// <summary>Whether the step from each level to the next halves the frames.</summary>
    public IReadOnlyList<bool> Halves { get; init; } = [false, true, true];

    public long NormGroups { get; init; } = 32;

    /// <summary>Frames per latent frame: 2 for each level that halves.</summary>
    public int TimeFactor => 1 << Halves.Count(halves => halves);

    /// <summary>Reads and checks a part of a config.json.</summary>
    /// <param name="json">The <c>vae_temporal</c> part.</param>
    /// <exception cref="InvalidDataException">A value has the wrong type or range.</exception>
    /// <exception cref="NotSupportedException">An option is not part of this network.</exception>
    public static TemporalVaeConfig FromJson(JsonElement json)
    {
        var defaults = new TemporalVaeConfig();
        string type = ConfigJson.Text(json, "type", "VAE_Temporal_SD");
        if (type is not ("VAE_Temporal_SD" or "VAE_Temporal"))
        {
            throw new NotSupportedException($"config: vae_temporal.type is '{type}'; expected VAE_Temporal_SD or VAE_Temporal.");
        }

        if (ConfigJson.Text(json, "activation_fn", "swish") is not ("swish" or "silu"))
        {
            throw new NotSupportedException($"config: vae_temporal.activation_fn {ConfigJson.Text(json, "activation_fn", "")}: expected swish.");
        }

        // The general class halves at the first two steps by default, the published model at the last two.
        var config = new TemporalVaeConfig
        {
            InOutChannels = ConfigJson.Integer(json, "in_out_channels", defaults.InOutChannels),
            LatentChannels = ConfigJson.Integer(json, "latent_embed_dim", defaults.LatentChannels),
            EmbedChannels = ConfigJson.Integer(json, "embed_dim", defaults.EmbedChannels),
            Filters = ConfigJson.Integer(json, "filters", defaults.Filters),
            ResBlocks = ConfigJson.Integer(json, "num_res_blocks", defaults.ResBlocks, maximum: ConfigJson.MaxLayers),
            Multipliers = ConfigJson.Integers(json, "channel_multipliers", [.. defaults.Multipliers]),
            Halves = ConfigJson.Flags(json, "temporal_downsample", type == "VAE_Temporal" ? [true, true, false] : defaults.Halves),
            NormGroups = ConfigJson.Integer(json, "num_groups", defaults.NormGroups),
        };
        config.Validate();
        return config;
    }

    public void Validate()
    {
        if (Multipliers.Count == 0 || Halves.Count < Multipliers.Count - 1)
        {
            throw new InvalidDataException(
                "config: temporal_downsample must have an entry for each step between levels; "
                + $"channel_multipliers has {Multipliers.Count} levels, temporal_downsample {Halves.Count} entries.");
        }

        if (Multipliers.FirstOrDefault(multiplier => NormGroups < 1 || Filters * multiplier % NormGroups != 0 || multiplier < 1) is var wrong and not 0)
        {
            throw new InvalidDataException($"config: num_groups {NormGroups} does not divide filters {Filters} times channel_multipliers' {wrong}.");
        }
    }
}
