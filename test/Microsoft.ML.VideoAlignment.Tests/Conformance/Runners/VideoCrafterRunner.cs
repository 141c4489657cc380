using System.Text.Json;
using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Models;
using Microsoft.ML.VideoAlignment.Models.VideoCrafter;
using Microsoft.ML.VideoAlignment.Schedulers;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>S09: VideoCrafter's denoiser, its parts, its autoencoder and its sampler.</summary>
public sealed class VideoCrafterRunner() : NetworkRunner("S09-videocrafter", s_kinds)
{
    private static readonly Dictionary<string, Action<ConformanceCase>> s_kinds = new(StringComparer.Ordinal)
    {
        ["lvdm.UNetModel"] = Network,
        ["lvdm.ResBlock"] = Residual,
        ["lvdm.SpatialTransformer"] = InSpace,
        ["lvdm.TemporalTransformer"] = OverTime,
        ["lvdm.timestep_embedding"] = Time,
        ["lvdm.AutoencoderKL"] = Autoencoder,
        ["lvdm.DDIMSampler"] = Sampling,
    };

    private static void Network(ConformanceCase c)
    {
        using var network = new VideoCrafterUNet(VideoCrafterUNetConfig.FromJson(c.Config), CaseDevice.Placement);
        Check(c, network, VideoCrafterUNet.Keys, ["x", "context"], inputs =>
        {
            Tensor fps = c.Find("in.fps") ?? tensor(ConfigJson.Integer(c.Arguments, "fps", 16), device: CaseDevice.Device);
            Tensor plain = network.Forward(inputs["x"], c["in.timesteps"], inputs["context"], fps);
            using IDisposable guard = no_grad();
            using IDisposable memory = Recompute.BeginScope(ActivationMemory.Recompute);
            Assert.That(network.Forward(inputs["x"], c["in.timesteps"], inputs["context"], fps).equal(plain).all().item<bool>(), $"{c}: recomputed blocks");
            return new() { ["sample"] = plain };
        });
    }

    private static void Residual(ConformanceCase c)
    {
        JsonElement config = c.Config;
        RequireOnly(config, ("dims", "2"), ("tempspatial_aware", "false"), ("use_scale_shift_norm", "false"), ("up", "false"), ("down", "false"),
            ("use_conv", "false"));
        long channels = config.GetProperty("channels").GetInt64();
        using var block = new VideoCrafterResBlock(
            channels, ConfigJson.Integer(config, "out_channels", channels), config.GetProperty("emb_channels").GetInt64(),
            ConfigJson.Flag(config, "use_temporal_conv", false), CaseDevice.Placement);
        Check(c, block, VideoCrafterUNet.Keys, ["x", "emb"], inputs =>
            new() { ["x"] = block.Forward(inputs["x"], inputs["emb"], inputs["x"].shape[0] / c.Arguments.GetProperty("batch_size").GetInt64()) });
    }

    private static void InSpace(ConformanceCase c)
    {
        JsonElement config = c.Config;
        RequireOnly(config, ("disable_self_attn", "false"), ("img_cross_attention", "false"));
        using var transformer = new SpatialTransformer(
            config.GetProperty("in_channels").GetInt64(), config.GetProperty("n_heads").GetInt64(), config.GetProperty("d_head").GetInt64(),
            config.GetProperty("context_dim").GetInt64(), VideoCrafterResBlock.Groups, CaseDevice.Placement, ConfigJson.Flag(config, "use_linear", false),
                ConfigJson.Integer(config, "depth", 1));
        Check(c, transformer, VideoCrafterUNet.Keys, ["x", "context"], inputs => new() { ["x"] = transformer.Forward(inputs["x"], inputs["context"]) });
    }

    private static void OverTime(ConformanceCase c)
    {
        JsonElement config = c.Config;
        RequireOnly(config, ("only_self_att", "true"), ("causal_attention", "false"));
        using var transformer = new TemporalTransformer(
            config.GetProperty("in_channels").GetInt64(), config.GetProperty("n_heads").GetInt64(), config.GetProperty("d_head").GetInt64(),
                VideoCrafterResBlock.Groups, CaseDevice.Placement,
            ConfigJson.Integer(config, "depth", 1),
            relativePositions: ConfigJson.Flag(config, "relative_position", false) ? config.GetProperty("temporal_length").GetInt64() : null);
        Check(c, transformer, VideoCrafterUNet.Keys, ["x"], inputs =>
        {
            Tensor x = inputs["x"]; // [B, C, T, H, W]
            Tensor y = transformer.Forward(x.permute(0, 2, 1, 3, 4).flatten(0, 1), x.shape[2]);
            return new() { ["x"] = y.unflatten(0, [x.shape[0], -1]).permute(0, 2, 1, 3, 4) };
        });
    }

    private static void Time(ConformanceCase c)
    {
        long channels = c.Config.GetProperty("model_channels").GetInt64();
        using var network = new VideoCrafterUNet(TimeOnly(channels), CaseDevice.Placement);
        KeyMap keys = VideoCrafterUNet.Keys with { Optional = ["input_blocks.*", "middle_block.*", "output_blocks.*", "out.*"] };
        Check(c, network, keys, [], _ =>
        {
            Tensor timesteps = c["in.timesteps"];
            var outputs = new Dictionary<string, Tensor>(StringComparer.Ordinal) { ["timestep_embedding"] = VideoCrafterUNet.Sinusoid(timesteps, channels) };
            if (c.Find("in.fps") is { } fps)
            {
                (outputs["fps_sinusoid"], outputs["emb"]) = (VideoCrafterUNet.Sinusoid(fps, channels), network.Embed(timesteps, fps, ScalarType.Float32));
            }

            if (ConfigJson.Find(c.Config, "odd_dim") is { } odd)
            {
                outputs["odd_embedding"] = VideoCrafterUNet.Sinusoid(timesteps, odd.GetInt64());
            }

            return outputs;
        });
    }

    /// <summary>A network of which only the embeddings are used.</summary>
    private static VideoCrafterUNetConfig TimeOnly(long channels) => new()
    {
        InChannels = 1,
        OutChannels = 1,
        ModelChannels = channels,
        ChannelMultipliers = [1],
        ResBlocks = 1,
        AttentionResolutions = [],
        HeadSize = 1,
        ContextWidth = 1,
        TemporalAttention = false,
        FpsCondition = true,
    };

    private static void Autoencoder(ConformanceCase c)
    {
        AutoencoderKLConfig config = VideoCrafterAutoencoder.ReadConfig(c.Config, c.Arguments.GetProperty("scale_factor").GetDouble());
        using var vae = new AutoencoderKL(config, CaseDevice.Placement);
        Check(c, vae, VideoCrafterAutoencoder.CreateKeys(config.BlockOutChannels.Count), ["video", "z"], inputs =>
        {
            var outputs = new Dictionary<string, Tensor>(StringComparer.Ordinal);
            if (inputs.TryGetValue("video", out Tensor? video))
            {
                (Tensor mean, Tensor logVariance) = vae.Encode(Images(video));
                (outputs["mean"], outputs["logvar"]) = (Clip(mean), Clip(logVariance));
                if (c.Find("in.noise") is { } noise)
                {
                    outputs["latents"] = Clip(vae.Sample(mean, logVariance, Images(noise)));
                }
            }

            if (inputs.TryGetValue("z", out Tensor? z))
            {
                outputs["frames"] = Clip(vae.Decode(Images(z)));
            }

            return outputs;

            static Tensor Images(Tensor clip) => clip.permute(0, 2, 1, 3, 4).flatten(0, 1); // [B, C, T, H, W] -> [B*T, C, H, W]

            Tensor Clip(Tensor images) => images.unflatten(0, [inputs.Values.First().shape[0], -1]).permute(0, 2, 1, 3, 4);
        });
    }

    private static void Sampling(ConformanceCase c)
    {
        VideoCrafterDdimScheduler scheduler = VideoCrafterDdimScheduler.FromConfig(c.Config);
        var sampler =
            (VideoCrafterDdimScheduler.Sampler)scheduler.CreateSampler(c.Arguments.GetProperty("S").GetInt32(), c.Arguments.GetProperty("eta").GetDouble());
        int steps = c.Arguments.GetProperty("steps").GetInt32();
        Assert.That(sampler.Timesteps, Has.Count.EqualTo(steps), $"{c}: steps");
        Assert.That(sampler.Timesteps, Is.EqualTo(c["out.timesteps"].data<long>().ToArray().Reverse().Select(t => (double)t)), $"{c}: timesteps");

        double guidance = c.Arguments.GetProperty("unconditional_guidance_scale").GetDouble();
        Dictionary<string, Tensor> inputs = c.Inputs("x_T", "context", "uncond_context", "net.M");
        Tensor x = inputs["x_T"];
        var (xs, cleans) = (new List<Tensor>(), new List<Tensor>());
        for (int step = 0; step < steps; step++)
        {
            Tensor e = Predict(c, inputs["net.M"], x, sampler.Timesteps[step], inputs["context"]);
            if (guidance != 1)
            {
                Tensor unconditional = Predict(c, inputs["net.M"], x, sampler.Timesteps[step], inputs["uncond_context"]);
                e = unconditional + ((e - unconditional) * guidance);
            }

            (x, Tensor clean) = sampler.Step(step, x, e, [], sampler.NeedsNoise(step) ? c["in.noise"][step] : null);
            xs.Add(x);
            cleans.Add(clean);
        }

        var outputs = new Dictionary<string, Tensor>(StringComparer.Ordinal)
        {
            ["x"] = stack(xs),
            ["pred_x0"] = stack(cleans),
            ["x_last"] = x,
            ["timesteps"] = tensor(sampler.Timesteps.Reverse().Select(t => (long)t).ToArray()),
            ["alphas"] = Table(sampler.AlphasCumprod),
            ["alphas_prev"] = Table(sampler.PreviousAlphasCumprod),
            ["sqrt_one_minus_alphas"] = Table(sampler.AlphasCumprod.Select(a => Math.Sqrt(1 - a))),
            ["sigmas"] = Table(sampler.Deviations),
            ["scale_arr"] = Table(sampler.Scales),
            ["scale_arr_prev"] = Table(sampler.PreviousScales),
            ["alphas_cumprod"] = Table(scheduler.AlphasCumprod.Where((_, t) => t % 37 == 0)),
            ["betas"] = Table(scheduler.Betas.Where((_, t) => t % 37 == 0)),
        };
        if (scheduler.ScaleTable is { } scales)
        {
            outputs["scale_arr_full"] = Table(scales);
        }

        foreach (string zero in ConfigJson.Texts(c.Arguments, "zero_outputs"))
        {
            Assert.That(outputs[zero].count_nonzero().item<long>(), Is.Zero, $"{c}: {zero}");
        }

        c.CheckOutputsAndGradients(outputs, inputs);

        static Tensor Table(IEnumerable<double> values) => tensor(values.ToArray());
    }

    // The stand-in network: 0.8 x + tanh(M x) (0.5 + mean of the context) + B cos(t / 200).
    private static Tensor Predict(ConformanceCase c, Tensor m, Tensor x, double t, Tensor context)
    {
        Tensor mixed = einsum("oc,bcthw->bothw", m, x).tanh();
        Tensor mean = context.mean([1, 2]).view(-1, 1, 1, 1, 1);
        return (x * 0.8) + (mixed * (mean + 0.5)) + (c["in.net.B"].view(1, -1, 1, 1, 1) * Math.Cos(t / 200));
    }

    private static void RequireOnly(JsonElement config, params (string Key, string Only)[] options)
    {
        foreach ((string key, string only) in options)
        {
            ConfigJson.RequireOnly(config, key, only);
        }
    }

    private static void Check(
        ConformanceCase c, nn.Module module, KeyMap keys, string[] inputNames, Func<Dictionary<string, Tensor>, Dictionary<string, Tensor>> run) =>
        Check(c, module, inputNames, run, keys);
}
