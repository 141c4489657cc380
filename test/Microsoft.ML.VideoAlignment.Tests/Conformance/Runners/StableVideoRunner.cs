using System.Text.Json;
using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Models;
using Microsoft.ML.VideoAlignment.Models.StableVideoDiffusion;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>S08: the networks of Stable Video Diffusion and their parts.</summary>
public sealed class StableVideoRunner() : NetworkRunner("S08-svd", s_kinds)
{
    private static readonly Dictionary<string, Action<ConformanceCase>> s_kinds = new(StringComparer.Ordinal)
    {
        ["diffusers.UNetSpatioTemporalConditionModel"] = Network,
        ["diffusers.AutoencoderKLTemporalDecoder"] = Autoencoder,
        ["diffusers.SpatioTemporalResBlock"] = Residual,
        ["diffusers.TransformerSpatioTemporalModel"] = Transformer,
        ["diffusers.AlphaBlender"] = Blender,
    };

    private static void Network(ConformanceCase c)
    {
        using var network = new StableVideoDiffusionUNet(StableVideoDiffusionUNetConfig.FromJson(c.Config), CaseDevice.Placement);
        Check(c, network, ["sample", "encoder_hidden_states"], inputs => new()
        {
            ["sample"] = network.Forward(inputs["sample"].transpose(1, 2), c["in.timestep"], inputs["encoder_hidden_states"], c["in.added_time_ids"])
                .transpose(1, 2),
        });
    }

    private static void Autoencoder(ConformanceCase c)
    {
        Autoencoder(c, tileBytes: null);
        Autoencoder(c, tileBytes: 1);
    }

    private static void Autoencoder(ConformanceCase c, long? tileBytes)
    {
        using IDisposable memory = Recompute.BeginScope(tileBytes is null ? ActivationMemory.Keep : ActivationMemory.Recompute, tileBytes: tileBytes);
        using var vae = new AutoencoderKLTemporalDecoder(AutoencoderKLConfig.FromJson(c.Config), CaseDevice.Placement);
        Check(c, vae, ["pixels", "z"], inputs =>
        {
            var outputs = new Dictionary<string, Tensor>(StringComparer.Ordinal);
            if (inputs.TryGetValue("pixels", out Tensor? pixels))
            {
                (Tensor mean, Tensor logVariance) = vae.Encode(pixels);
                (outputs["mode"], outputs["logvar"]) = (mean, logVariance);
                if (c.Find("in.noise") is { } noise)
                {
                    outputs["sampled"] = GaussianPosterior.Sample(mean, logVariance, noise);
                }
            }

            if (inputs.TryGetValue("z", out Tensor? z))
            {
                outputs["decoded"] = vae.Decode(z, c.Arguments.GetProperty("num_frames").GetInt64());
            }

            return outputs;
        });
    }

    private static void Residual(ConformanceCase c)
    {
        JsonElement config = c.Config;
        long inChannels = config.GetProperty("in_channels").GetInt64();
        long? temb = config.TryGetProperty("temb_channels", out JsonElement width) && width.ValueKind == JsonValueKind.Null ? null
            : ConfigJson.Integer(config, "temb_channels", 512);
        double eps = ConfigJson.Number(config, "eps", 1e-6);
        using var block = new SpatioTemporalResBlock(
            inChannels, ConfigJson.Integer(config, "out_channels", inChannels), temb, eps, CaseDevice.Placement, ConfigJson.Number(config, "temporal_eps", eps),
            Strategy(config), ConfigJson.Flag(config, "switch_spatial_to_temporal_mix", false));
        Check(c, block, c.Find("in.temb") is null ? ["hidden_states"] : ["hidden_states", "temb"], inputs => new()
        {
            ["sample"] = block.Forward(inputs["hidden_states"], inputs.GetValueOrDefault("temb"), Frames(c), c["in.image_only_indicator"]),
        });
    }

    private static void Transformer(ConformanceCase c)
    {
        JsonElement config = c.Config;
        (long heads, long headSize) = (ConfigJson.Integer(config, "num_attention_heads", 16), ConfigJson.Integer(config, "attention_head_dim", 88));
        long channels = config.GetProperty("in_channels").GetInt64();
        Assert.That(ConfigJson.Integer(config, "out_channels", channels), Is.EqualTo(channels), "the transformer keeps its width");
        using var transformer = new SpatioTemporalTransformer(
            channels, heads, headSize, ConfigJson.Find(config, "cross_attention_dim")?.GetInt64(), ConfigJson.Integer(config, "num_layers", 1),
                CaseDevice.Placement);
        Check(c, transformer, ["hidden_states", "encoder_hidden_states"], inputs => new()
        {
            ["sample"] = transformer.Forward(inputs["hidden_states"], inputs["encoder_hidden_states"], Frames(c), c["in.image_only_indicator"]),
        });
    }

    private static void Blender(ConformanceCase c)
    {
        using var blender = new AlphaBlender(Strategy(c.Config), ConfigJson.Flag(c.Config, "switch_spatial_to_temporal_mix", false), CaseDevice.Placement);
        Tensor indicator = c["in.image_only_indicator"];
        Check(c, blender, ["x_spatial", "x_temporal"], inputs =>
        {
            Tensor spatial = inputs["x_spatial"];
            Tensor alone = spatial.ndim == 5 ? indicator.view(indicator.shape[0], 1, -1, 1, 1) : indicator.view(-1, 1, 1);
            return new() { ["x"] = blender.Blend(spatial, inputs["x_temporal"], alone) };
        });
    }

    private static BlendStrategy Strategy(JsonElement config) => ConfigJson.Text(config, "merge_strategy", "learned_with_images") switch
    {
        "fixed" => BlendStrategy.Constant,
        "learned" => BlendStrategy.Learned,
        "learned_with_images" => BlendStrategy.LearnedWithImages,
        var other => throw new NotSupportedException($"merge_strategy {other}"),
    };

    private static long Frames(ConformanceCase c) => c["in.image_only_indicator"].shape[1];
}
