using System.Text.Json;
using Microsoft.ML.VideoAlignment.Layers;

namespace Microsoft.ML.VideoAlignment.Models.StableVideoDiffusion;

/// <summary>
/// The config.json of a diffusers <c>UNetSpatioTemporalConditionModel</c>; defaults are the reference's, which are those of stable-video-diffusion-img2vid-xt.
/// Lists have one entry per level, from the full size down; the file may hold one number for all levels.
/// </summary>
internal sealed record StableVideoDiffusionUNetConfig
{
    private const string AttentionDown = "CrossAttnDownBlockSpatioTemporal", PlainDown = "DownBlockSpatioTemporal";
    private const string AttentionUp = "CrossAttnUpBlockSpatioTemporal", PlainUp = "UpBlockSpatioTemporal";

    /// <summary>Channels of the input: the noisy latents', then the image's.</summary>
    public long InChannels { get; init; } = 8;

    public long OutChannels { get; init; } = 4;

    /// <summary>Side of the latents of its training; null: not in the file. The network itself takes any size.</summary>
    public long? SampleSize { get; init; }

    /// <summary>Whether a level attends, in the downward half, from the full size down.</summary>
    public IReadOnlyList<bool> DownAttention { get; init; } = [true, true, true, false];

    /// <summary>Whether a level attends, in the upward half, from the smallest size up.</summary>
    public IReadOnlyList<bool> UpAttention { get; init; } = [false, true, true, true];

    /// <summary>Width of each level.</summary>
    public IReadOnlyList<long> BlockOutChannels { get; init; } = [320, 640, 1280, 1280];

    /// <summary>Width of each added number's sinusoid.</summary>
    public long AdditionTimeEmbedDim { get; init; } = 256;

    /// <summary>Total width of those sinusoids.</summary>
    public long AdditionWidth { get; init; } = 768;

    /// <summary>Residual blocks of each level on the way down; one more on the way up.</summary>
    public IReadOnlyList<long> LayersPerBlock { get; init; } = [2, 2, 2, 2];

    /// <summary>Width of the context's tokens at each level.</summary>
    public IReadOnlyList<long> CrossAttentionWidth { get; init; } = [1024, 1024, 1024, 1024];

    public IReadOnlyList<long> TransformerLayers { get; init; } = [1, 1, 1, 1];

    /// <summary>Heads of each level; a head's size is channels / heads.</summary>
    public IReadOnlyList<long> Heads { get; init; } = [5, 10, 20, 20];

    /// <summary>Length of the videos of its training: 14, or 25 for -xt. The network itself takes any length.</summary>
    public int Frames { get; init; } = 25;

    /// <summary>How many numbers describe a video besides its image: fps - 1, motion bucket, noise level.</summary>
    public long AddedNumbers => AdditionWidth / AdditionTimeEmbedDim;

    /// <summary>Reads and checks a config.json.</summary>
    /// <param name="json">The content of the file.</param>
    /// <exception cref="InvalidDataException">A value has the wrong type, or lists do not fit together.</exception>
    /// <exception cref="NotSupportedException">A block type is not part of this network.</exception>
    public static StableVideoDiffusionUNetConfig FromJson(JsonElement json)
    {
        var defaults = new StableVideoDiffusionUNetConfig();
        IReadOnlyList<long> widths = ConfigJson.Integers(json, "block_out_channels", [.. defaults.BlockOutChannels]);
        IReadOnlyList<long> PerLevel(string key, IReadOnlyList<long> fallback, int minimum = 1) =>
            ConfigJson.Find(json, key) is { ValueKind: JsonValueKind.Number }
                ? [.. Enumerable.Repeat(ConfigJson.Integer(json, key, 0, minimum), widths.Count)]
                : ConfigJson.Integers(json, key, minimum, [.. fallback.Distinct().Count() == 1 ? Enumerable.Repeat(fallback[0], widths.Count) : fallback]);
        var config = new StableVideoDiffusionUNetConfig
        {
            InChannels = ConfigJson.Integer(json, "in_channels", defaults.InChannels),
            OutChannels = ConfigJson.Integer(json, "out_channels", defaults.OutChannels),
            SampleSize = ConfigJson.Find(json, "sample_size") is null ? null : ConfigJson.Integer(json, "sample_size", 0),
            DownAttention = Attends(json, "down_block_types", defaults.DownAttention, AttentionDown, PlainDown),
            UpAttention = Attends(json, "up_block_types", defaults.UpAttention, AttentionUp, PlainUp),
            BlockOutChannels = widths,
            AdditionTimeEmbedDim = ConfigJson.Integer(json, "addition_time_embed_dim", defaults.AdditionTimeEmbedDim),
            AdditionWidth = ConfigJson.Integer(json, "projection_class_embeddings_input_dim", defaults.AdditionWidth),
            LayersPerBlock = PerLevel("layers_per_block", defaults.LayersPerBlock, minimum: 0),
            CrossAttentionWidth = PerLevel("cross_attention_dim", defaults.CrossAttentionWidth),
            TransformerLayers = PerLevel("transformer_layers_per_block", defaults.TransformerLayers, minimum: 0),
            Heads = PerLevel("num_attention_heads", defaults.Heads),
            Frames = (int)ConfigJson.Integer(json, "num_frames", defaults.Frames),
        };
        config.Validate();
        return config;
    }

    /// <summary>Checks that the lists fit together.</summary>
    /// <exception cref="InvalidDataException">They do not.</exception>
    public void Validate()
    {
        int levels = BlockOutChannels.Count;
        foreach ((string key, int count) in new[]
        {
            ("down_block_types", DownAttention.Count), ("up_block_types", UpAttention.Count), ("layers_per_block", LayersPerBlock.Count),
            ("cross_attention_dim", CrossAttentionWidth.Count), ("transformer_layers_per_block", TransformerLayers.Count), ("num_attention_heads", Heads.Count),
        })
        {
            if (levels == 0 || count != levels)
            {
                throw new InvalidDataException($"config: {key} must have one entry for each of block_out_channels; got {count} for {levels}.");
            }
        }

        for (int level = 0; level < levels; level++)
        {
            long channels = BlockOutChannels[level];
            if (channels < 1 || channels % SpatioTemporalResBlock.Groups != 0)
            {
                throw new InvalidDataException(
                    $"config: block_out_channels: group norms of {SpatioTemporalResBlock.Groups} groups need a multiple of it, got {channels}.");
            }

            if (Heads[level] < 1 || channels % Heads[level] != 0)
            {
                throw new InvalidDataException($"config: num_attention_heads: {Heads[level]} heads do not divide the {channels} channels of level {level}.");
            }

            if (LayersPerBlock[level] > ConfigJson.MaxLayers || TransformerLayers[level] > ConfigJson.MaxLayers)
            {
                throw new InvalidDataException(
                    $"config: level {level} has {LayersPerBlock[level]} layers of {TransformerLayers[level]} transformer blocks; "
                    + $"at most {ConfigJson.MaxLayers} are built.");
            }

            if (LayersPerBlock[level] < 0 || (LayersPerBlock[level] == 0 && level > 0 && channels != BlockOutChannels[level - 1]))
            {
                throw new InvalidDataException(
                    $"config: layers_per_block: level {level} has {LayersPerBlock[level]} layers, so nothing makes {channels} channels of "
                    + $"{BlockOutChannels[Math.Max(level - 1, 0)]}.");
            }
        }

        if (AdditionTimeEmbedDim < 1 || AdditionWidth % AdditionTimeEmbedDim != 0)
        {
            throw new InvalidDataException(
                $"config: projection_class_embeddings_input_dim {AdditionWidth} is not a multiple of addition_time_embed_dim {AdditionTimeEmbedDim}.");
        }
    }

    private static IReadOnlyList<bool> Attends(JsonElement json, string key, IReadOnlyList<bool> fallback, string attention, string plain)
    {
        IReadOnlyList<string> types = ConfigJson.Texts(json, key, [.. fallback.Select(attends => attends ? attention : plain)]);
        return types.FirstOrDefault(type => type != attention && type != plain) is { } unknown
            ? throw new NotSupportedException($"config: {key} has '{unknown}'; expected {attention} or {plain}.")
            : [.. types.Select(type => type == attention)];
    }
}
