using System.Text.Json;
using Microsoft.ML.VideoAlignment.Layers;

namespace Microsoft.ML.VideoAlignment.Models;

/// <summary>The config.json of a diffusers <c>AutoencoderKL</c>; defaults are the reference's.</summary>
internal sealed record AutoencoderKLConfig
{
    public long InChannels { get; init; } = 3;

    public long OutChannels { get; init; } = 3;

    /// <summary>Width of each level, from the full size down.</summary>
    public IReadOnlyList<long> BlockOutChannels { get; init; } = [64];

    public long LayersPerBlock { get; init; } = 1;

    public string Activation { get; init; } = "silu";

    /// <summary>z, the channels between encoder and decoder.</summary>
    public long LatentChannels { get; init; } = 4;

    /// <summary>Channels of the latents themselves, between quant_conv and post_quant_conv; null: z. lvdm calls them embed_dim.</summary>
    public long? EmbedChannels { get; init; }

    /// <summary>Width of the encoder's first convolution; null: that of its first level.</summary>
    public long? StemChannels { get; init; }

    public long NormGroups { get; init; } = 32;

    /// <summary>Factor from the encoder's latents to the denoiser's.</summary>
    public double ScalingFactor { get; init; } = 0.18215;

    public bool UseQuantConv { get; init; } = true;

    public bool UsePostQuantConv { get; init; } = true;

    public bool MidBlockAddAttention { get; init; } = true;

    /// <summary>Reads and checks a config.json.</summary>
    /// <param name="json">The content of the file.</param>
    /// <exception cref="InvalidDataException">A value has the wrong type or range.</exception>
    /// <exception cref="NotSupportedException">An option or block type is not part of this network.</exception>
    public static AutoencoderKLConfig FromJson(JsonElement json)
    {
        ConfigJson.RequireOnly(json, "shift_factor", "null");
        ConfigJson.RequireOnly(json, "latents_mean", "null");
        ConfigJson.RequireOnly(json, "latents_std", "null");
        var defaults = new AutoencoderKLConfig();
        var config = new AutoencoderKLConfig
        {
            InChannels = ConfigJson.Integer(json, "in_channels", defaults.InChannels),
            OutChannels = ConfigJson.Integer(json, "out_channels", defaults.OutChannels),
            BlockOutChannels = ConfigJson.Integers(json, "block_out_channels", [.. defaults.BlockOutChannels]),
            LayersPerBlock = ConfigJson.Integer(json, "layers_per_block", defaults.LayersPerBlock, maximum: ConfigJson.MaxLayers),
            Activation = ConfigJson.Text(json, "act_fn", defaults.Activation),
            LatentChannels = ConfigJson.Integer(json, "latent_channels", defaults.LatentChannels),
            NormGroups = ConfigJson.Integer(json, "norm_num_groups", defaults.NormGroups),
            ScalingFactor = ConfigJson.Number(json, "scaling_factor", defaults.ScalingFactor),
            UseQuantConv = ConfigJson.Flag(json, "use_quant_conv", defaults.UseQuantConv),
            UsePostQuantConv = ConfigJson.Flag(json, "use_post_quant_conv", defaults.UsePostQuantConv),
            MidBlockAddAttention = ConfigJson.Flag(json, "mid_block_add_attention", defaults.MidBlockAddAttention),
        };
        RequireBlocks(json, "down_block_types", "DownEncoderBlock2D", config.BlockOutChannels.Count);
        RequireBlocks(json, "up_block_types", "UpDecoderBlock2D", config.BlockOutChannels.Count);
        config.Validate();
        return config;
    }

    public void Validate()
    {
        if (BlockOutChannels.Count == 0)
        {
            throw new InvalidDataException("config: block_out_channels is empty.");
        }

        foreach (long channels in BlockOutChannels)
        {
            if (NormGroups < 1 || channels % NormGroups != 0)
            {
                throw new InvalidDataException($"config: norm_num_groups {NormGroups} does not divide block_out_channels' {channels}.");
            }
        }

        if (StemChannels is { } stem && stem % NormGroups != 0)
        {
            throw new InvalidDataException($"config: norm_num_groups {NormGroups} does not divide the first convolution's width {stem}.");
        }

        if (EmbedChannels is { } channelsOfLatents && channelsOfLatents != LatentChannels && !(UseQuantConv && UsePostQuantConv))
        {
            throw new InvalidDataException($"config: latents of {channelsOfLatents} channels between halves of {LatentChannels} need both 1x1 convolutions.");
        }

        if (!(ScalingFactor > 0))
        {
            throw new InvalidDataException($"config: scaling_factor: expected a positive number, got {ScalingFactor}.");
        }

        _ = Layers.Activation.ByName(Activation);
    }

    private static void RequireBlocks(JsonElement json, string key, string known, int levels)
    {
        IReadOnlyList<string> types = ConfigJson.Texts(json, key, [.. Enumerable.Repeat(known, levels)]);
        if (types.FirstOrDefault(type => type != known) is { } unknown)
        {
            throw new NotSupportedException($"config: {key} has '{unknown}'; expected {known}.");
        }

        if (types.Count != levels)
        {
            throw new InvalidDataException($"config: block_out_channels and {key} must have one entry per level; got {levels} and {types.Count}.");
        }
    }
}
