using System.Text.Json;
using Microsoft.ML.VideoAlignment.Layers;

namespace Microsoft.ML.VideoAlignment.Models.ModelScope;

/// <summary>The config.json of a diffusers <c>UNet3DConditionModel</c>; defaults are the reference's, which are those of text-to-video-ms-1.7b.</summary>
internal sealed record ModelScopeUNetConfig
{
    public long InChannels { get; init; } = 4;

    public long OutChannels { get; init; } = 4;

    /// <summary>Height and width of the latents of its training; 32 for text-to-video-ms-1.7b. The network itself takes any size.</summary>
    public (long Height, long Width) SampleSize { get; init; } = (32, 32);

    /// <summary>CrossAttnDownBlock3D or DownBlock3D, one per level, from the full size down.</summary>
    public IReadOnlyList<string> DownBlockTypes { get; init; } = ["CrossAttnDownBlock3D", "CrossAttnDownBlock3D", "CrossAttnDownBlock3D", "DownBlock3D"];

    /// <summary>CrossAttnUpBlock3D or UpBlock3D, one per level, from the smallest up.</summary>
    public IReadOnlyList<string> UpBlockTypes { get; init; } = ["UpBlock3D", "CrossAttnUpBlock3D", "CrossAttnUpBlock3D", "CrossAttnUpBlock3D"];

    /// <summary>Width of each level, from the full size down.</summary>
    public IReadOnlyList<long> BlockOutChannels { get; init; } = [320, 640, 1280, 1280];

    public long LayersPerBlock { get; init; } = 2;

    /// <summary>Padding of the downsampling convolutions: 1 = zeros all around, 0 = zeros on the right and below only.</summary>
    public long DownsamplePadding { get; init; } = 1;

    /// <summary>Divisor of the sums of the two middle residual blocks.</summary>
    public double MidBlockScaleFactor { get; init; } = 1;

    public string Activation { get; init; } = "silu";

    public long NormGroups { get; init; } = 32;

    /// <summary>Eps of the norms of the residual blocks and of the last one; temporal convolutions and transformers have fixed ones.</summary>
    public double NormEps { get; init; } = 1e-5;

    /// <summary>Width of the text's tokens.</summary>
    public long CrossAttentionWidth { get; init; } = 1024;

    /// <summary>Size of a head (not their number): every level has channels / size heads. The reference's key is attention_head_dim.</summary>
    public long HeadSize { get; init; } = 64;

    /// <summary>Reads and checks a config.json.</summary>
    /// <param name="json">The content of the file.</param>
    /// <exception cref="InvalidDataException">A value has the wrong type, or lists do not fit together.</exception>
    /// <exception cref="NotSupportedException">An option or block type is not part of this network.</exception>
    public static ModelScopeUNetConfig FromJson(JsonElement json)
    {
        foreach ((string key, string only) in s_only)
        {
            ConfigJson.RequireOnly(json, key, only);
        }

        var defaults = new ModelScopeUNetConfig();
        var config = new ModelScopeUNetConfig
        {
            InChannels = ConfigJson.Integer(json, "in_channels", defaults.InChannels),
            OutChannels = ConfigJson.Integer(json, "out_channels", defaults.OutChannels),
            SampleSize = ReadSampleSize(json, defaults.SampleSize),
            DownBlockTypes = ConfigJson.Texts(json, "down_block_types", [.. defaults.DownBlockTypes]),
            UpBlockTypes = ConfigJson.Texts(json, "up_block_types", [.. defaults.UpBlockTypes]),
            BlockOutChannels = ConfigJson.Integers(json, "block_out_channels", [.. defaults.BlockOutChannels]),
            LayersPerBlock = ConfigJson.Integer(json, "layers_per_block", defaults.LayersPerBlock, maximum: ConfigJson.MaxLayers),
            DownsamplePadding = ConfigJson.Integer(json, "downsample_padding", defaults.DownsamplePadding, minimum: 0),
            MidBlockScaleFactor = ConfigJson.Number(json, "mid_block_scale_factor", defaults.MidBlockScaleFactor),
            Activation = ConfigJson.Text(json, "act_fn", defaults.Activation),
            NormGroups = ConfigJson.Integer(json, "norm_num_groups", defaults.NormGroups),
            NormEps = ConfigJson.Number(json, "norm_eps", defaults.NormEps, maximum: 1),
            CrossAttentionWidth = ConfigJson.Integer(json, "cross_attention_dim", defaults.CrossAttentionWidth),
            HeadSize = ConfigJson.Integer(json, "attention_head_dim", defaults.HeadSize),
        };
        config.Validate();
        return config;
    }

    /// <summary>Checks that the lists fit together and that every block type is known.</summary>
    /// <exception cref="InvalidDataException">Lists or sizes do not fit together.</exception>
    /// <exception cref="NotSupportedException">A block type is unknown.</exception>
    public void Validate()
    {
        int levels = BlockOutChannels.Count;
        if (levels == 0 || DownBlockTypes.Count != levels || UpBlockTypes.Count != levels)
        {
            throw new InvalidDataException(
                $"config: block_out_channels, down_block_types and up_block_types must have one entry per level; "
                + $"got {levels}, {DownBlockTypes.Count} and {UpBlockTypes.Count}.");
        }

        RequireKnown("down_block_types", DownBlockTypes, "CrossAttnDownBlock3D", "DownBlock3D");
        RequireKnown("up_block_types", UpBlockTypes, "CrossAttnUpBlock3D", "UpBlock3D");
        foreach (long channels in BlockOutChannels)
        {
            if (NormGroups < 1 || channels % NormGroups != 0)
            {
                throw new InvalidDataException($"config: norm_num_groups {NormGroups} does not divide block_out_channels' {channels}.");
            }

            if (HeadSize < 1 || channels < HeadSize)
            {
                throw new InvalidDataException($"config: attention_head_dim is the size of a head; {HeadSize} leaves no head in {channels} channels.");
            }
        }

        _ = Layers.Activation.ByName(Activation);
    }

    private static (long Height, long Width) ReadSampleSize(JsonElement json, (long Height, long Width) fallback)
    {
        if (ConfigJson.Find(json, "sample_size") is not { ValueKind: JsonValueKind.Array })
        {
            return ConfigJson.Find(json, "sample_size") is null
                ? fallback
                : (ConfigJson.Integer(json, "sample_size", 0), ConfigJson.Integer(json, "sample_size", 0));
        }

        IReadOnlyList<long> sides = ConfigJson.Integers(json, "sample_size");
        return sides.Count == 2
            ? (sides[0], sides[1])
            : throw new InvalidDataException($"config: sample_size: expected a side or [height, width], got {sides.Count} numbers.");
    }

    private static void RequireKnown(string key, IReadOnlyList<string> types, params string[] known)
    {
        if (types.FirstOrDefault(type => !known.Contains(type)) is { } unknown)
        {
            throw new NotSupportedException($"config: {key} has '{unknown}'; expected {string.Join(" or ", known)}.");
        }
    }

    // Keys of related networks that official files carry: harmless at these values, another network at any other.
    private static readonly (string Key, string Only)[] s_only =
    [
        ("num_attention_heads", "null"), ("time_cond_proj_dim", "null"), ("class_embed_type", "null"), ("num_class_embeds", "null"),
        ("projection_class_embeddings_input_dim", "null"), ("timestep_post_act", "null"), ("center_input_sample", "false"), ("flip_sin_to_cos", "true"),
        ("freq_shift", "0"), ("mid_block_type", "\"UNetMidBlock3DCrossAttn\""), ("only_cross_attention", "false"), ("resnet_time_scale_shift", "\"default\""),
        ("time_embedding_type", "\"positional\""), ("use_linear_projection", "true"), ("dual_cross_attention", "false"),
    ];
}
