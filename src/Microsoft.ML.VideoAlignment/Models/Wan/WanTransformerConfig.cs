using System.Text.Json;
using Microsoft.ML.VideoAlignment.Layers;

namespace Microsoft.ML.VideoAlignment.Models.Wan;

/// <summary>
/// The config.json of diffusers' <c>WanTransformer3DModel</c>; defaults are the reference's, which are those of Wan 2.1 T2V 14B (arXiv 2503.20314).
/// </summary>
/// <remarks><c>qk_norm</c> is not read by the reference: queries and keys are always normalized over all heads together.</remarks>
internal sealed record WanTransformerConfig
{
    /// <summary>Latent frames, rows and columns per token.</summary>
    public (long Frames, long Rows, long Columns) PatchSize { get; init; } = (1, 2, 2);

    public long Heads { get; init; } = 40;

    public long HeadSize { get; init; } = 128;

    /// <summary>Channels of the input: the latents', and those of mask and image condition where the network has them.</summary>
    public long InChannels { get; init; } = 16;

    public long OutChannels { get; init; } = 16;

    /// <summary>Width of the text encoder's states.</summary>
    public long TextWidth { get; init; } = 4096;

    /// <summary>Width of the time's sinusoid.</summary>
    public long FrequencyWidth { get; init; } = 256;

    /// <summary>Inner width of the feed-forward.</summary>
    public long FeedForwardWidth { get; init; } = 13824;

    public long Depth { get; init; } = 40;

    /// <summary>Whether a norm with weights stands before the attention to the text; else there is none.</summary>
    public bool NormsCrossAttention { get; init; } = true;

    /// <summary>Added to the variance and to the mean of squares in the blocks and the head.</summary>
    public double Eps { get; init; } = 1e-6;

    /// <summary>Width of the image encoder's states; null: the network has no image branch.</summary>
    public long? ImageWidth { get; init; }

    /// <summary>Width of what the image's keys and values are made of, which is <see cref="Width"/>; null: the network has no image branch.</summary>
    public long? AddedKeyWidth { get; init; }

    /// <summary>The most tokens along one axis of the video.</summary>
    public long MaxPositions { get; init; } = 1024;

    /// <summary>Tokens of the first and the last image together, which get learned positions; null: one image, without positions.</summary>
    public long? ImagePositions { get; init; }

    /// <summary>Width of the network.</summary>
    public long Width => Heads * HeadSize;

    public bool HasImageBranch => ImageWidth is not null;

    /// <summary>Values that the head makes for a token.</summary>
    public long PatchValues => PatchSize.Frames * PatchSize.Rows * PatchSize.Columns * OutChannels;

    /// <summary>Reads and checks a config.json.</summary>
    /// <param name="json">The content of the file.</param>
    /// <exception cref="InvalidDataException">A value has the wrong type or range, or does not agree with another.</exception>
    /// <exception cref="NotSupportedException">The file is of another network.</exception>
    public static WanTransformerConfig FromJson(JsonElement json)
    {
        ConfigJson.RequireOnly(json, "_class_name", "\"WanTransformer3DModel\"");
        ConfigJson.Text(json, "qk_norm", "");
        var defaults = new WanTransformerConfig();
        IReadOnlyList<long> patch = ConfigJson.Integers(json, "patch_size", defaults.PatchSize.Frames, defaults.PatchSize.Rows, defaults.PatchSize.Columns);
        if (patch.Count != 3)
        {
            throw new InvalidDataException($"config: patch_size: expected [frames, rows, columns], got {patch.Count} numbers.");
        }

        long inChannels = ConfigJson.Integer(json, "in_channels", defaults.InChannels);
        var config = new WanTransformerConfig
        {
            PatchSize = (patch[0], patch[1], patch[2]),
            Heads = ConfigJson.Integer(json, "num_attention_heads", defaults.Heads),
            HeadSize = ConfigJson.Integer(json, "attention_head_dim", defaults.HeadSize),
            InChannels = inChannels,
            OutChannels = ConfigJson.Integer(json, "out_channels", json.TryGetProperty("out_channels", out _) ? inChannels : defaults.OutChannels),
            TextWidth = ConfigJson.Integer(json, "text_dim", defaults.TextWidth),
            FrequencyWidth = ConfigJson.Integer(json, "freq_dim", defaults.FrequencyWidth),
            FeedForwardWidth = ConfigJson.Integer(json, "ffn_dim", defaults.FeedForwardWidth),
            Depth = ConfigJson.Integer(json, "num_layers", defaults.Depth, maximum: ConfigJson.MaxLayers),
            NormsCrossAttention = ConfigJson.Flag(json, "cross_attn_norm", defaults.NormsCrossAttention),
            Eps = ConfigJson.Number(json, "eps", defaults.Eps, maximum: 1),
            ImageWidth = Optional(json, "image_dim"),
            AddedKeyWidth = Optional(json, "added_kv_proj_dim"),
            MaxPositions = ConfigJson.Integer(json, "rope_max_seq_len", defaults.MaxPositions),
            ImagePositions = Optional(json, "pos_embed_seq_len"),
        };
        config.Validate();
        return config;
    }

    /// <summary>Checks what one value means for another.</summary>
    /// <exception cref="InvalidDataException">A value is out of range, or does not agree with another.</exception>
    public void Validate()
    {
        (long frames, long rows, long columns) = PatchSize;
        Require(Math.Min(frames, Math.Min(rows, columns)) > 0 && (double)frames * rows * columns * OutChannels <= ConfigJson.MaxSize, "patch_size", PatchSize,
            $"three positive numbers, of which {OutChannels} channels of a token make at most {ConfigJson.MaxSize} numbers");
        Require(HeadSize > 0 && HeadSize % 2 == 0, "attention_head_dim", HeadSize, "an even number (rotary positions turn pairs)");
        Require(Heads > 0 && Width <= ConfigJson.MaxSize, "num_attention_heads", Heads,
            $"a positive number that makes the width, times attention_head_dim {HeadSize}, at most {ConfigJson.MaxSize}");
        Require(InChannels > 0, "in_channels", InChannels, "at least 1");
        Require(OutChannels > 0, "out_channels", OutChannels, "at least 1");
        Require(TextWidth > 0, "text_dim", TextWidth, "at least 1");
        Require(FrequencyWidth > 1, "freq_dim", FrequencyWidth, "at least 2 (a cosine and a sine)");
        Require(FeedForwardWidth > 0, "ffn_dim", FeedForwardWidth, "at least 1");
        Require(Depth > 0, "num_layers", Depth, "at least 1");
        Require(Eps > 0, "eps", Eps, "a positive number");
        Require(MaxPositions > 0, "rope_max_seq_len", MaxPositions, "at least 1");
        Require(AddedKeyWidth == (HasImageBranch ? Width : null), "added_kv_proj_dim", AddedKeyWidth,
            HasImageBranch ? $"the network's width {Width}, to which image_dim {ImageWidth} is brought" : "null, as there is no image_dim");
        Require(ImagePositions is null || (HasImageBranch && ImagePositions % 2 == 0), "pos_embed_seq_len", ImagePositions,
            HasImageBranch ? "an even number (the tokens of two images)" : "null, as there is no image_dim");
    }

    private static long? Optional(JsonElement json, string key) => ConfigJson.Find(json, key) is null ? null : ConfigJson.Integer(json, key, fallback: 0);

    private static void Require(bool holds, string key, object? got, string expected)
    {
        if (!holds)
        {
            throw new InvalidDataException(FormattableString.Invariant($"config: {key}: expected {expected}, got {got ?? "null"}."));
        }
    }
}
