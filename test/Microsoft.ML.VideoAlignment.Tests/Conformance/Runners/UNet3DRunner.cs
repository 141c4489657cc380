using System.Text.Json;
using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Models.ModelScope;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>S06: the ModelScope denoiser and its parts.</summary>
public sealed class UNet3DRunner() : NetworkRunner("S06-unet3d", s_kinds)
{
    private static readonly Dictionary<string, Action<ConformanceCase>> s_kinds = new(StringComparer.Ordinal)
    {
        ["diffusers.UNet3DConditionModel"] = Network,
        ["diffusers.models.TemporalConvLayer"] = TemporalConvolution,
        ["diffusers.models.TransformerTemporalModel"] = OverTime,
        ["diffusers.models.Transformer2DModel"] = InSpace,
        ["diffusers.models.ResnetBlock2D"] = Residual,
        ["diffusers.models.TimestepEmbedding"] = Time,
    };

    private static void Network(ConformanceCase c)
    {
        using var network = new ModelScopeUNet(ModelScopeUNetConfig.FromJson(c.Config), CaseDevice.Placement);
        Check(c, network, ["sample", "encoder_hidden_states"], inputs =>
            new() { ["sample"] = network.Forward(inputs["sample"], c["in.timestep"], inputs["encoder_hidden_states"]) });
    }

    private static void TemporalConvolution(ConformanceCase c)
    {
        long channels = c.Config.GetProperty("in_dim").GetInt64();
        Assert.That(ConfigJson.Integer(c.Config, "out_dim", channels), Is.EqualTo(channels), "the layer keeps its width");
        using var layer = new TemporalConvLayer(channels, ConfigJson.Integer(c.Config, "norm_num_groups", 32), CaseDevice.Placement);
        Check(c, layer, ["hidden_states"], inputs => new() { ["hidden_states"] = layer.Forward(inputs["hidden_states"], Frames(c)) });
    }

    private static void OverTime(ConformanceCase c)
    {
        JsonElement config = c.Config;
        RequireOnly(config, ("double_self_attention", "true"), ("activation_fn", "\"geglu\""), ("positional_embeddings", "null"),
            ("norm_elementwise_affine", "true"));
        using var transformer = new TemporalTransformer(
            config.GetProperty("in_channels").GetInt64(), ConfigJson.Integer(config, "num_attention_heads", 16),
                ConfigJson.Integer(config, "attention_head_dim", 88),
            ConfigJson.Integer(config, "norm_num_groups", 32), CaseDevice.Placement, ConfigJson.Integer(config, "num_layers", 1),
                ConfigJson.Flag(config, "attention_bias", false));
        Check(c, transformer, ["hidden_states"], inputs => new() { ["hidden_states"] = transformer.Forward(inputs["hidden_states"], Frames(c)) });
    }

    private static void InSpace(ConformanceCase c)
    {
        JsonElement config = c.Config;
        RequireOnly(
            config, ("double_self_attention", "false"), ("only_cross_attention", "false"), ("activation_fn", "\"geglu\""), ("norm_type", "\"layer_norm\""),
            ("norm_elementwise_affine", "true"), ("patch_size", "null"), ("num_vector_embeds", "null"), ("attention_type", "\"default\""),
                ("caption_channels", "null"));
        long? contextWidth = ConfigJson.Find(config, "cross_attention_dim")?.GetInt64();
        using var transformer = new SpatialTransformer(
            config.GetProperty("in_channels").GetInt64(), ConfigJson.Integer(config, "num_attention_heads", 16),
                ConfigJson.Integer(config, "attention_head_dim", 88),
            contextWidth, ConfigJson.Integer(config, "norm_num_groups", 32), CaseDevice.Placement, ConfigJson.Flag(config, "use_linear_projection", false),
            ConfigJson.Integer(config, "num_layers", 1), ConfigJson.Flag(config, "attention_bias", false), ConfigJson.Number(config, "norm_eps", 1e-5));
        Check(c, transformer, ["hidden_states", "encoder_hidden_states"], inputs =>
            new() { ["hidden_states"] = transformer.Forward(inputs["hidden_states"], inputs["encoder_hidden_states"]) });
    }

    private static void Residual(ConformanceCase c)
    {
        JsonElement config = c.Config;
        RequireOnly(config, ("time_embedding_norm", "\"default\""), ("up", "false"), ("down", "false"), ("skip_time_act", "false"), ("groups_out", "null"));
        long inChannels = config.GetProperty("in_channels").GetInt64();
        long? temb = config.TryGetProperty("temb_channels", out JsonElement width) && width.ValueKind == JsonValueKind.Null ? null
            : ConfigJson.Integer(config, "temb_channels", 512);
        using var block = new ResnetBlock2D(
            inChannels, ConfigJson.Integer(config, "out_channels", inChannels), temb, ConfigJson.Integer(config, "groups", 32),
                ConfigJson.Number(config, "eps", 1e-6),
            ConfigJson.Text(config, "non_linearity", "swish"), CaseDevice.Placement, ConfigJson.Number(config, "output_scale_factor", 1));
        Check(c, block, temb is null ? ["hidden_states"] : ["hidden_states", "temb"], inputs =>
            new() { ["hidden_states"] = block.Forward(inputs["hidden_states"], inputs.GetValueOrDefault("temb")) });
    }

    private static void Time(ConformanceCase c)
    {
        JsonElement config = c.Config;
        long channels = config.GetProperty("num_channels").GetInt64();
        using var embedding =
            new TimestepEmbedding(channels, config.GetProperty("time_embed_dim").GetInt64(), ConfigJson.Text(config, "act_fn", "silu"), CaseDevice.Placement);
        Tensor sinusoid = TimestepEmbedding.Sinusoid(
            c["in.timestep"], channels, config.GetProperty("flip_sin_to_cos").GetBoolean(), config.GetProperty("downscale_freq_shift").GetDouble());
        Check(c, embedding, [], _ => new() { ["sinusoid"] = sinusoid, ["embedding"] = embedding.forward(sinusoid) });
    }

    private static long Frames(ConformanceCase c) => c.Arguments.GetProperty("num_frames").GetInt64();

    private static void RequireOnly(JsonElement config, params (string Key, string Only)[] options)
    {
        foreach ((string key, string only) in options)
        {
            ConfigJson.RequireOnly(config, key, only);
        }
    }
}
