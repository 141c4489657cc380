using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Models.VideoCrafter;

/// <summary>
/// The configuration and the key map by which VideoCrafter's image autoencoder is an <see cref="AutoencoderKL"/> under other names. Reference: lvdm,
/// <c>AutoencoderKL</c> with <c>Encoder</c> and <c>Decoder</c> of latent-diffusion.
/// </summary>
internal static partial class VideoCrafterAutoencoder
{
    /// <summary>Reads a yaml's <c>first_stage_config.params</c>.</summary>
    /// <param name="json">The section as JSON.</param>
    /// <param name="scalingFactor">The model's <c>scale_factor</c>, which is outside of the section.</param>
    /// <exception cref="InvalidDataException">A key is missing or has a value of the wrong type or range.</exception>
    /// <exception cref="NotSupportedException">An option makes another network.</exception>
    public static AutoencoderKLConfig ReadConfig(JsonElement json, double scalingFactor)
    {
        JsonElement network = ConfigJson.Find(json, "ddconfig")
            ?? throw new InvalidDataException("first_stage_config: ddconfig is missing. Is this the yaml of a VideoCrafter model?");
        foreach ((string key, string only) in s_only)
        {
            ConfigJson.RequireOnly(network, key, only);
        }

        if (ConfigJson.Integers(network, "attn_resolutions").Count > 0)
        {
            throw new NotSupportedException(
                "first_stage_config: attn_resolutions names attention at full sizes; only [] (attention in the middle alone) is supported.");
        }

        long Required(JsonElement from, string key, long maximum = ConfigJson.MaxSize) =>
            ConfigJson.Find(from, key) is null
                ? throw new InvalidDataException($"first_stage_config: {key} is missing.")
                : ConfigJson.Integer(from, key, 0, maximum: maximum);
        long width = Required(network, "ch");
        var config = new AutoencoderKLConfig
        {
            InChannels = Required(network, "in_channels"),
            OutChannels = Required(network, "out_ch"),
            BlockOutChannels = [.. ConfigJson.Integers(network, "ch_mult", 1, 2, 4, 8).Select(multiplier => multiplier * width)],
            StemChannels = width,
            LayersPerBlock = Required(network, "num_res_blocks", ConfigJson.MaxLayers),
            LatentChannels = Required(network, "z_channels"),
            EmbedChannels = Required(json, "embed_dim"),
            ScalingFactor = scalingFactor,
        };
        config.Validate();
        return config;
    }

    /// <summary>
    /// Maps lvdm's names to keys: <c>up</c> is numbered by size, 0 the full one, though it runs from the smallest; attention is made of 1x1 convolutions.
    /// </summary>
    /// <param name="levels">Number of the network's levels.</param>
    public static KeyMap CreateKeys(int levels) => new()
    {
        Rename = name => Level().Replace(name, match => Renamed(match, levels)),
        Aliases =
        [
            (".mid.block_1.", ".mid_block.resnets.0."), (".mid.block_2.", ".mid_block.resnets.1."),
            (".mid.attn_1.norm.", ".mid_block.attentions.0.group_norm."), (".mid.attn_1.q.", ".mid_block.attentions.0.to_q."),
            (".mid.attn_1.k.", ".mid_block.attentions.0.to_k."), (".mid.attn_1.v.", ".mid_block.attentions.0.to_v."),
            (".mid.attn_1.proj_out.", ".mid_block.attentions.0.to_out.0."), (".norm_out.", ".conv_norm_out."), (".nin_shortcut.", ".conv_shortcut."),
        ],
        Reshape = ["*.attentions.0.to_*.weight"],
    };

    private static string Renamed(Match match, int levels)
    {
        bool up = match.Groups["way"].ValueSpan is "up";
        int level = int.Parse(match.Groups["level"].ValueSpan, CultureInfo.InvariantCulture);
        string layer = match.Groups["block"].Success ? $"resnets.{match.Groups["block"].Value}" : $"{(up ? "up" : "down")}samplers.0";
        return $".{(up ? "up" : "down")}_blocks.{(up ? levels - 1 - level : level)}.{layer}.";
    }

    // decoder.up.2.block.0. or encoder.down.1.downsample.
    [GeneratedRegex(
        @"\.(?<way>up|down)\.(?<level>\d{1,4})\.(?:block\.(?<block>\d{1,4})|\k<way>sample)\.",
        RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex Level();

    // Options of Encoder and Decoder that would make another network.
    private static readonly (string Key, string Only)[] s_only =
    [
        ("double_z", "true"), ("resamp_with_conv", "true"), ("give_pre_end", "false"), ("tanh_out", "false"), ("use_linear_attn", "false"),
        ("attn_type", "\"vanilla\""),
    ];
}
