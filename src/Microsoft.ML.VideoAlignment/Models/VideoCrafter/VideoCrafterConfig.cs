using System.Text.Json;
using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Schedulers;

namespace Microsoft.ML.VideoAlignment.Models.VideoCrafter;

/// <summary>
/// What a VideoCrafter yaml says of a model: <c>model.params</c> of lvdm's <c>LatentDiffusion</c>, with the open_clip description of its text tower.
/// </summary>
internal sealed record VideoCrafterConfig
{
    /// <summary>The architecture that FrozenOpenCLIPEmbedder takes where the yaml names none.</summary>
    public const string DefaultTextArchitecture = "ViT-H-14";

    /// <summary>The denoiser.</summary>
    public required VideoCrafterUNetConfig UNet { get; init; }

    /// <summary>The autoencoder.</summary>
    public required AutoencoderKLConfig Autoencoder { get; init; }

    /// <summary>The text tower.</summary>
    public required OpenClipConfig Text { get; init; }

    /// <summary>How many of the text tower's last blocks are left out: 1 for the layer "penultimate".</summary>
    public required int TextClipSkip { get; init; }

    /// <summary>The schedule.</summary>
    public required VideoCrafterDdimScheduler Scheduler { get; init; }

    /// <summary>Height and width of the latents that the model was trained at; null where the yaml does not say.</summary>
    public (long Height, long Width)? LatentSize { get; init; }

    /// <summary>Reads <c>model.params</c>.</summary>
    /// <param name="json">The yaml's part.</param>
    /// <param name="text">Gives the open_clip description (embed_dim, text_cfg) of an architecture by its name; null: it has none.</param>
    /// <exception cref="InvalidDataException">A key is missing or has a value of the wrong type or range.</exception>
    /// <exception cref="NotSupportedException">An option or part that makes another model.</exception>
    public static VideoCrafterConfig FromJson(JsonElement json, Func<string, JsonElement?> text)
    {
        foreach ((string key, string only) in s_only)
        {
            ConfigJson.RequireOnly(json, key, only);
        }

        JsonElement encoder = Part(json, "cond_stage_config", "FrozenOpenCLIPEmbedder", required: false);
        string architecture = ConfigJson.Text(encoder, "arch", DefaultTextArchitecture);
        JsonElement description = text(architecture) ?? throw new InvalidDataException(
            $"cond_stage_config: the text tower's architecture '{architecture}' is not known; expected {DefaultTextArchitecture}, or open_clip's "
                + "description of it as "
                + $"{architecture}.json beside the checkpoint.");
        return new VideoCrafterConfig
        {
            UNet = VideoCrafterUNetConfig.FromJson(Part(json, "unet_config", "UNetModel")),
            Autoencoder = VideoCrafterAutoencoder.ReadConfig(Part(json, "first_stage_config", "AutoencoderKL"), ConfigJson.Number(json, "scale_factor", 1)),
            Text = OpenClipConfig.FromJson(description),
            TextClipSkip = ConfigJson.Text(encoder, "layer", "last") switch
            {
                "last" => 0,
                "penultimate" => 1,
                var other => throw new NotSupportedException($"cond_stage_config: layer = {other} is not supported; expected last or penultimate."),
            },
            Scheduler = VideoCrafterDdimScheduler.FromConfig(json),
            LatentSize = ConfigJson.Find(json, "image_size") is null ? null : ConfigJson.Size(json, "image_size", default),
        };
    }

    /// <summary>Gives the description of an architecture that needs no file: ViT-H-14's text half, as open_clip's model_configs has it.</summary>
    /// <param name="architecture">Its name.</param>
    /// <returns>Null: it needs a file.</returns>
    public static JsonElement? FindTextDescription(string architecture) => architecture == DefaultTextArchitecture ? Parse(VitH14) : null;

    /// <summary>
    /// The published configuration of VideoCrafter2, 320 x 512 (configs/inference_t2v_512_v2.0.yaml of AILab-CVC/VideoCrafter), for a checkpoint without one.
    /// </summary>
    public static VideoCrafterConfig VideoCrafter2 => FromJson(Parse(Published), FindTextDescription);

    private static JsonElement Parse(string json)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        return document.RootElement.Clone();
    }

    // The params of a part, whose target class must be the known one.
    private static JsonElement Part(JsonElement json, string key, string known, bool required = true)
    {
        JsonElement part = ConfigJson.Find(json, key) ?? throw new InvalidDataException($"model.params: {key} is missing. Is this the yaml of a "
            + "VideoCrafter model?");
        string target = ConfigJson.Text(part, "target", known);
        return target.Split('.')[^1] != known ? throw new NotSupportedException($"{key}: target = {target} is not supported; expected a {known}.")
            : ConfigJson.Find(part, "params") ?? (required ? throw new InvalidDataException($"{key}: params is missing.") : Parse("{}"));
    }

    /// <summary>Options that make another model: averaged weights in the file, scaling by the batch, image or concatenated conditions.</summary>
    private static readonly (string Key, string Only)[] s_only =
    [
        ("scale_by_std", "false"), ("conditioning_key", "\"crossattn\""), ("uncond_type", "\"empty_seq\""), ("learn_logvar", "false"), ("v_posterior", "0"),
        ("encoder_type", "\"2d\""), ("only_model", "false"),
    ];

    private const string VitH14 =
        """{ "embed_dim": 1024, "text_cfg": { "context_length": 77, "vocab_size": 49408, "width": 1024, "heads": 16, "layers": 24 } }""";

    private const string Published = """
        {
          "linear_start": 0.00085, "linear_end": 0.012, "timesteps": 1000, "use_scale": true, "scale_b": 0.7, "scale_factor": 0.18215, "image_size": [40, 64],
          "unet_config": { "params": {
            "in_channels": 4, "out_channels": 4, "model_channels": 320, "attention_resolutions": [4, 2, 1], "num_res_blocks": 2, "channel_mult": [1, 2, 4, 4],
            "num_head_channels": 64, "transformer_depth": 1, "context_dim": 1024, "use_linear": true, "temporal_conv": true, "temporal_attention": true,
            "use_relative_position": false, "temporal_length": 16, "addition_attention": true, "fps_cond": true } },
          "first_stage_config": { "params": { "embed_dim": 4, "ddconfig": {
            "z_channels": 4, "in_channels": 3, "out_ch": 3, "ch": 128, "ch_mult": [1, 2, 4, 4], "num_res_blocks": 2, "attn_resolutions": [] } } },
          "cond_stage_config": { "params": { "layer": "penultimate" } }
        }
        """;
}
