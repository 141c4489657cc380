using System.Text.Json;
using Microsoft.ML.VideoAlignment.Layers;

namespace Microsoft.ML.VideoAlignment.Models.VideoCrafter;

/// <summary>
/// The <c>unet_config.params</c> of a VideoCrafter yaml. Absent keys have the defaults of the reference's constructor (lvdm, <c>UNetModel</c>); the published
/// VideoCrafter2 names nearly all of them.
/// </summary>
internal sealed record VideoCrafterUNetConfig
{
    /// <summary>Heads of init_attn, whatever the channels.</summary>
    public const long InitAttentionHeads = 8;

    public required long InChannels { get; init; }

    public required long OutChannels { get; init; }

    /// <summary>Width of the first level.</summary>
    public required long ModelChannels { get; init; }

    /// <summary>Factors of the first level's width, from the full size down.</summary>
    public IReadOnlyList<long> ChannelMultipliers { get; init; } = [1, 2, 4, 8];

    public required long ResBlocks { get; init; }

    /// <summary>Downsampling factors (1, 2, 4, ...) of the levels that have attention; the middle always has.</summary>
    public required IReadOnlyList<long> AttentionResolutions { get; init; }

    /// <summary>Number of heads; null: channels / <see cref="HeadSize"/>.</summary>
    public long? Heads { get; init; }

    /// <summary>Size of a head; null: channels / <see cref="Heads"/>. It takes precedence over <see cref="Heads"/>, and need not divide the channels.</summary>
    public long? HeadSize { get; init; }

    /// <summary>Blocks of a spatial transformer, and of init_attn.</summary>
    public long TransformerDepth { get; init; } = 1;

    /// <summary>Blocks of a temporal transformer.</summary>
    public long TemporalDepth { get; init; } = 1;

    /// <summary>Width of the text's tokens.</summary>
    public required long ContextWidth { get; init; }

    /// <summary>Whether the projections of spatial transformers are Linear and not 1x1 convolutions: the same product, weights of another shape.</summary>
    public bool UseLinear { get; init; }

    /// <summary>Whether every residual block ends with a temporal convolution.</summary>
    public bool TemporalConvolution { get; init; }

    /// <summary>Whether a temporal transformer follows every spatial one.</summary>
    public bool TemporalAttention { get; init; } = true;

    /// <summary>The largest distance in frames that attention over time distinguishes; null: none (on in VideoCrafter 1).</summary>
    public long? RelativePositions { get; init; }

    /// <summary>Whether attention over time follows the first convolution: init_attn.</summary>
    public bool AdditionAttention { get; init; }

    /// <summary>Whether the network is conditioned on frames per second.</summary>
    public bool FpsCondition { get; init; }

    public int Levels => ChannelMultipliers.Count;

    /// <summary>Gives the width of a level.</summary>
    /// <param name="level">The level, 0 for the finest.</param>
    public long WidthAt(int level) => ChannelMultipliers[level] * ModelChannels;

    /// <summary>Tells whether a level has attention.</summary>
    /// <param name="level">The level, 0 for the finest.</param>
    public bool HasAttentionAt(int level) => AttentionResolutions.Contains(1L << level);

    /// <summary>Height and width of the latents must be multiples of this: every level but the last halves them, and the way up doubles.</summary>
    public long SizeMultiple => 1L << (Levels - 1);

    /// <summary>Reads and checks the section of a yaml.</summary>
    /// <param name="json">The section as JSON.</param>
    /// <exception cref="InvalidDataException">A value is missing or has the wrong type, or values do not fit together.</exception>
    /// <exception cref="NotSupportedException">An option makes another network.</exception>
    public static VideoCrafterUNetConfig FromJson(JsonElement json)
    {
        foreach ((string key, string only) in s_only)
        {
            ConfigJson.RequireOnly(json, key, only);
        }

        // init_attn attends over time too, whatever the levels do.
        bool overTime = ConfigJson.Flag(json, "temporal_attention", true) || ConfigJson.Flag(json, "addition_attention", false);
        bool relative = ConfigJson.Flag(json, "use_relative_position", true) && overTime;
        var config = new VideoCrafterUNetConfig
        {
            InChannels = Required(json, "in_channels"),
            OutChannels = Required(json, "out_channels"),
            ModelChannels = Required(json, "model_channels"),
            ChannelMultipliers = ConfigJson.Integers(json, "channel_mult", 1, 2, 4, 8),
            ResBlocks = Required(json, "num_res_blocks", ConfigJson.MaxLayers),
            AttentionResolutions = ConfigJson.Find(json, "attention_resolutions") is null
                ? throw Missing("attention_resolutions")
                : ConfigJson.Integers(json, "attention_resolutions"),
            Heads = Positive(json, "num_heads"),
            HeadSize = Positive(json, "num_head_channels"),
            TransformerDepth = ConfigJson.Integer(json, "transformer_depth", 1, maximum: ConfigJson.MaxLayers),
            TemporalDepth = ConfigJson.Integer(json, "temporal_transformer_depth", 1, maximum: ConfigJson.MaxLayers),
            ContextWidth = Required(json, "context_dim"),
            UseLinear = ConfigJson.Flag(json, "use_linear", false),
            TemporalConvolution = ConfigJson.Flag(json, "temporal_conv", false),
            TemporalAttention = ConfigJson.Flag(json, "temporal_attention", true),
            RelativePositions = relative ? Required(json, "temporal_length") : null,
            AdditionAttention = ConfigJson.Flag(json, "addition_attention", false),
            FpsCondition = ConfigJson.Flag(json, "fps_cond", false),
        };
        config.Validate();
        return config;
    }

    /// <summary>Number and size of the attention heads at a width.</summary>
    /// <param name="channels">Width of the level.</param>
    public (long Heads, long HeadSize) HeadsAt(long channels) => HeadSize is { } size ? (channels / size, size) : (Heads!.Value, channels / Heads.Value);

    /// <summary>Checks that the values fit together.</summary>
    /// <exception cref="InvalidDataException">They do not.</exception>
    public void Validate()
    {
        if (Levels == 0 || ResBlocks < 1)
        {
            throw new InvalidDataException(
                $"unet_config: channel_mult must name at least one level and num_res_blocks be at least 1; got {Levels} and {ResBlocks}.");
        }

        if (Heads is null && HeadSize is null)
        {
            throw new InvalidDataException("unet_config: one of num_head_channels and num_heads must be given.");
        }

        if (AdditionAttention && HeadSize is null)
        {
            throw new InvalidDataException("unet_config: addition_attention needs num_head_channels, the size of init_attn's eight heads.");
        }

        foreach (long channels in ChannelMultipliers.Select(multiplier => multiplier * ModelChannels))
        {
            if (channels is < 1 or > ConfigJson.MaxSize || channels % VideoCrafterResBlock.Groups != 0)
            {
                throw new InvalidDataException(
                    $"unet_config: model_channels x channel_mult gives {channels} channels, "
                    + $"not a multiple of the {VideoCrafterResBlock.Groups} groups of every norm.");
            }

            if (HeadsAt(channels) is not { Heads: > 0, HeadSize: > 0 })
            {
                throw new InvalidDataException($"unet_config: num_head_channels {HeadSize} (num_heads {Heads}) leaves no head in {channels} channels.");
            }
        }
    }

    private static long Required(JsonElement json, string key, long maximum = ConfigJson.MaxSize) =>
        ConfigJson.Find(json, key) is null ? throw Missing(key) : ConfigJson.Integer(json, key, 0, maximum: maximum);

    private static InvalidDataException Missing(string key) => new($"unet_config: {key} is missing. Is this the yaml of a VideoCrafter model?");

    private static long? Positive(JsonElement json, string key) => ConfigJson.Integer(json, key, -1, minimum: -1) is > 0 and var number ? number : null;

    // Options of the constructor that would make another network than VideoCrafter's text-to-video models.
    private static readonly (string Key, string Only)[] s_only =
    [
        ("dims", "2"), ("conv_resample", "true"), ("use_scale_shift_norm", "false"), ("resblock_updown", "false"), ("tempspatial_aware", "false"),
        ("temporal_selfatt_only", "true"), ("use_causal_attention", "false"), ("use_image_attention", "false"),
    ];
}
