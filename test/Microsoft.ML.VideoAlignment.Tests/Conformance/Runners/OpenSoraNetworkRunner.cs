using System.Text.Json;
using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Models.OpenSora;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>S10: Open-Sora's denoiser and its parts.</summary>
public sealed class OpenSoraNetworkRunner() : NetworkRunner("S10-opensora", s_kinds)
{
    private static readonly Dictionary<string, Action<ConformanceCase>> s_kinds = new(StringComparer.Ordinal)
    {
        ["opensora.STDiT3"] = Network,
        ["opensora.STDiT3Block"] = Block,
        ["opensora.MultiHeadCrossAttention"] = CrossAttention,
        ["opensora.CaptionEmbedder"] = Caption,
        ["opensora.TimestepEmbedder"] = Time,
        ["opensora.SizeEmbedder"] = Sizes,
        ["opensora.T2IFinalLayer"] = Final,
        ["opensora.PositionEmbedding2D"] = Positions,
    };

    private static void Network(ConformanceCase c)
    {
        foreach (bool recompute in new[] { false, true })
        {
            using var network = new STDiT3(STDiT3Config.FromJson(c.Config), CaseDevice.Placement);
            using IDisposable memory = Recompute.BeginScope(recompute ? ActivationMemory.Recompute : ActivationMemory.Keep);
            Check(c, network, ["x", "y"], inputs => network.Forward(
                inputs["x"], c["in.timestep"], inputs["y"].squeeze(1), c.Find("in.mask"), c.Find("in.x_mask"), c["in.fps"],
                c["in.height"][0].item<float>(), c["in.width"][0].item<float>()));
        }
    }

    private static void Block(ConformanceCase c)
    {
        JsonElement config = c.Config;
        var shape = new STDiT3Config
        {
            HiddenSize = config.GetProperty("hidden_size").GetInt64(),
            Heads = config.GetProperty("num_heads").GetInt64(),
            MlpRatio = ConfigJson.Number(config, "mlp_ratio", 4),
            NormsQueriesAndKeys = ConfigJson.Flag(config, "qk_norm", false),
        };
        (long frames, long places) = (c.Arguments.GetProperty("T").GetInt64(), c.Arguments.GetProperty("S").GetInt64());
        Tensor? turns = null;
        if (ConfigJson.Flag(config, "temporal", false))
        {
            Assert.That(ConfigJson.Integer(config, "rope_dim", shape.HeadSize), Is.EqualTo(shape.HeadSize), "the whole head is turned");
            Tensor pairs = arange(shape.HeadSize / 2, dtype: ScalarType.Float64, device: CaseDevice.Device) * (-2.0 / shape.HeadSize);
            turns = RotaryPositions.CreateRotations(pow(ConfigJson.Number(config, "rope_theta", 10000), pairs).to_type(ScalarType.Float32), frames);
        }

        using var block = new STDiT3Block(shape, CaseDevice.Placement);
        Check(c, block, c.Find("in.t0") is null ? ["x", "y", "t"] : ["x", "y", "t", "t0"], inputs =>
        {
            (Tensor text, Tensor? bias) = Padded(inputs["y"], c.Arguments, "y_lens", inputs["x"].shape[0]);
            Tensor time = Modulation.SelectPerFrame(inputs["t"], inputs.GetValueOrDefault("t0"), c.Find("in.x_mask"));
            return block.Forward(inputs["x"].unflatten(1, [frames, places]), text, time, bias, turns).flatten(1, 2);
        });
    }

    private static void CrossAttention(ConformanceCase c)
    {
        using var layer = new MultiHeadCrossAttention(
            c.Config.GetProperty("d_model").GetInt64(), c.Config.GetProperty("num_heads").GetInt64(), CaseDevice.Placement);
        Check(c, layer, ["x", "cond"], inputs =>
        {
            (Tensor text, Tensor? bias) = Padded(inputs["cond"], c.Arguments, "mask", inputs["x"].shape[0]);
            return layer.Forward(inputs["x"], text, bias);
        });
    }

    private static void Caption(ConformanceCase c)
    {
        using var embedder = new CaptionEmbedder(
            c.Config.GetProperty("in_channels").GetInt64(), c.Config.GetProperty("hidden_size").GetInt64(), ConfigJson.Integer(c.Config, "token_num", 120),
                CaseDevice.Placement);
        Check(c, embedder, ["caption"], inputs =>
            embedder.forward(c.Find("in.force_drop_ids") is { } drop ? embedder.DropCaptions(inputs["caption"], drop) : inputs["caption"]));
    }

    private static void Time(ConformanceCase c)
    {
        using TimestepEmbedder embedder = Embedder(c);
        Tensor frequencies = TimestepEmbedder.Sinusoid(c["in.t"], ConfigJson.Integer(c.Config, "frequency_embedding_size", 256));
        Check(c, embedder, [], _ => embedder.forward(c["in.t"]), ("frequencies", frequencies));
    }

    private static void Sizes(ConformanceCase c)
    {
        using TimestepEmbedder embedder = Embedder(c);
        Check(c, embedder, [], _ => embedder.EmbedSizes(c["in.s"], c.Arguments.GetProperty("bs").GetInt64()));
    }

    private static TimestepEmbedder Embedder(ConformanceCase c) =>
        new(c.Config.GetProperty("hidden_size").GetInt64(), CaseDevice.Placement, ConfigJson.Integer(c.Config, "frequency_embedding_size", 256));

    private static void Final(ConformanceCase c)
    {
        using var layer = new FinalLayer(
            c.Config.GetProperty("hidden_size").GetInt64(), c.Config.GetProperty("num_patch").GetInt64() * c.Config.GetProperty("out_channels").GetInt64(),
                CaseDevice.Placement);
        (long frames, long places) = (c.Arguments.GetProperty("T").GetInt64(), c.Arguments.GetProperty("S").GetInt64());
        Check(c, layer, c.Find("in.t0") is null ? ["x", "t"] : ["x", "t", "t0"], inputs =>
            layer.Forward(inputs["x"].unflatten(1, [frames, places]), inputs["t"], inputs.GetValueOrDefault("t0"), c.Find("in.x_mask")).flatten(1, 2));
    }

    private static void Positions(ConformanceCase c)
    {
        JsonElement[] calls = [.. c.Arguments.GetProperty("calls").EnumerateArray()];
        var outputs = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        for (int i = 0; i < calls.Length; i++)
        {
            outputs[$"{i}"] = PositionEmbedding2D.Create(
                calls[i].GetProperty("h").GetInt64(), calls[i].GetProperty("w").GetInt64(), c.Config.GetProperty("dim").GetInt64(),
                ConfigJson.Number(calls[i], "scale", 1), ConfigJson.Find(calls[i], "base_size")?.GetDouble(), CaseDevice.Device);
        }

        c.CheckOutputsAndGradients(outputs, new Dictionary<string, Tensor>());
    }

    /// <summary>Texts packed one after the other [1, sum, C], as the reference has them -> [B, L, C] with a bias on the padding.</summary>
    private static (Tensor Text, Tensor? Bias) Padded(Tensor packed, JsonElement arguments, string key, long batch)
    {
        if (ConfigJson.Find(arguments, key) is null)
        {
            return (packed.expand(batch, -1, -1), null);
        }

        long[] lengths = [.. ConfigJson.Integers(arguments, key)];
        long longest = lengths.Max();
        Tensor[] texts = packed[0].split(lengths);
        Tensor mask = stack(lengths.Select(length => arange(longest, device: packed.device) < length));
        return (stack(texts.Select(text => nn.functional.pad(text, [0, 0, 0, longest - text.shape[0]], value: 7))), MultiHeadCrossAttention.CreateBias(mask));
    }

    private static void Check(
        ConformanceCase c, nn.Module module, string[] inputNames, Func<Dictionary<string, Tensor>, Tensor> run, params (string Name, Tensor Value)[] more) =>
            Check(c, module, inputNames, inputs =>
        {
            var outputs = more.ToDictionary(pair => pair.Name, pair => pair.Value, StringComparer.Ordinal);
            outputs["sample"] = run(inputs);
            return outputs;
        });
}
