using System.Text.Json;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Models.VideoCrafter;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

public class VideoCrafterUNetTests
{
    private static readonly VideoCrafterUNetConfig s_tiny = new()
    {
        InChannels = 4,
        OutChannels = 4,
        ModelChannels = 64,
        ChannelMultipliers = [1, 2],
        ResBlocks = 1,
        AttentionResolutions = [2],
        HeadSize = 8,
        ContextWidth = 6,
        UseLinear = true,
        TemporalConvolution = true,
        AdditionAttention = true,
        FpsCondition = true,
    };

    [TestCase(1, 1, 2, 2)]
    [TestCase(2, 3, 4, 6)]
    [TestCase(1, 5, 8, 2)]
    public void AnySizeOfWholeHalvesGoesThrough(int batch, int frames, int height, int width)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        using VideoCrafterUNet network = Ramp.Fill(new VideoCrafterUNet(s_tiny, Placement.Cpu));
        Tensor y = Run(network, batch, frames, height, width);
        Assert.That(y.shape, Is.EqualTo(new long[] { batch, 4, frames, height, width }));
        Assert.That(y.isfinite().all().item<bool>());
    }

    /// <summary>Multipliers are of the first convolution's width, which no level needs to have.</summary>
    [Test]
    public void TheFirstLevelMayBeWiderThanTheFirstConvolution()
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        using VideoCrafterUNet network = Ramp.Fill(new VideoCrafterUNet(s_tiny with { ModelChannels = 32, ChannelMultipliers = [2, 4] }, Placement.Cpu));
        Dictionary<string, Tensor> weights = network.state_dict();
        Assert.That(weights["input_blocks.0.0.weight"].shape[0], Is.EqualTo(32));
        Assert.That(weights["output_blocks.3.0.block.norm1.weight"].shape[0], Is.EqualTo(64 + 32), "a skip of the first convolution");
        Assert.That(Run(network, 1, 2, 4, 4).isfinite().all().item<bool>());
    }

    [Test]
    public void ClipsOfABatchStayApart()
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        using VideoCrafterUNet network = Ramp.Fill(new VideoCrafterUNet(s_tiny, Placement.Cpu));
        Tensor x = Ramp.Values(1, 2, 4, 3, 4, 4), context = Ramp.Values(2, 2, 5, 6), times = tensor([37.0, 900.0]), fps = tensor([8L, 24L]);
        Tensor both = network.Forward(x, times, context, fps), second = network.Forward(x[1..], times[1..], context[1..], fps[1..]);
        Assert.That(GroupNormKernelTests.Distance(both[1..], second.to_type(ScalarType.Float64)), Is.LessThan(1e-5));
        Tensor other = network.Forward(x, times, context, tensor([8L, 8L]));
        Assert.That(GroupNormKernelTests.Distance(other[..1], both[..1].to_type(ScalarType.Float64)), Is.LessThan(1e-5), "the clip whose rate is as it was");
        Assert.That(GroupNormKernelTests.Distance(other[1..], both[1..].to_type(ScalarType.Float64)), Is.GreaterThan(1e-4), "frames per second are heard");
    }

    [TestCase(false)]
    [TestCase(true)]
    public void GradientReachesEveryAdapterOfThePresetAndNothingElse(bool recompute)
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoCrafterUNet network = Ramp.Fill(new VideoCrafterUNet(s_tiny with { RelativePositions = 2 }, Placement.Cpu));
        using IDisposable memory = Recompute.BeginScope(recompute ? ActivationMemory.Recompute : ActivationMemory.Keep);
        using var generator = new Generator(1);
        using LoraAdapters adapters = LoraAdapters.Attach(network, LoraVocabulary.Diffusers.AttentionQkv, 2, 8, generator);
        adapters.RequireGradient(true);
        foreach ((_, TorchSharp.Modules.Parameter factor) in adapters.NamedFactors)
        {
            using IDisposable guard = no_grad();
            factor.copy_(Ramp.Values(factor.numel(), factor.shape));
        }

        Assert.That(adapters.Layers, Has.Count.EqualTo(9 * 6)); // init_attn, two transformers in each of four blocks
        Recompute.Backward(Run(network, 1, 3, 4, 4).pow(2).sum());
        foreach ((string name, TorchSharp.Modules.Parameter factor) in adapters.NamedFactors)
        {
            Assert.That(factor.grad!.abs().sum().item<float>(), Is.GreaterThan(0), name);
        }

        Assert.That(network.parameters().Where(parameter => !adapters.Parameters.Contains(parameter)).Select(parameter => parameter.grad), Is.All.Null);
    }

    /// <summary>Relative positions belong to attention over time wherever there is some: of the levels, and of init_attn, which has its own switch.</summary>
    [Test]
    public void RelativePositionsGoWhereAttentionOverTimeIs([Values] bool relative, [Values] bool temporal, [Values] bool addition, [Values] bool convolution,
        [Values] bool linear, [Values] bool fps)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        string Word(bool flag) => flag ? "true" : "false";
        JsonElement json = JsonDocument.Parse($$"""
            { "in_channels": 4, "out_channels": 4, "model_channels": 32, "channel_mult": [1, 1], "num_res_blocks": 1, "attention_resolutions": [2],
                "num_head_channels": 8, "context_dim": 6,
              "temporal_length": 3, "use_relative_position": {{Word(relative)}}, "temporal_attention": {{Word(temporal)}},
                  "addition_attention": {{Word(addition)}}, "temporal_conv": {{Word(convolution)}},
              "use_linear": {{Word(linear)}}, "fps_cond": {{Word(fps)}} }
            """).RootElement;
        using VideoCrafterUNet network = Ramp.Fill(new VideoCrafterUNet(VideoCrafterUNetConfig.FromJson(json), Placement.Cpu));
        string[] tables = [.. network.state_dict().Keys.Where(key => key.EndsWith("embeddings_table", StringComparison.Ordinal)).Select(key =>
            key[..key.IndexOf('.', StringComparison.Ordinal)])];

        // Two tables an attention, two attentions a transformer; transformers in one input block, the middle and two output blocks.
        Assert.That(tables.Count(key => key == "init_attn"), Is.EqualTo(relative && addition ? 4 : 0));
        Assert.That(tables.Count(key => key != "init_attn"), Is.EqualTo(relative && temporal ? 16 : 0));
        Assert.That(Run(network, 1, 5, 2, 4).isfinite().all().item<bool>());
    }

    [Test]
    public void ForwardLeavesOneTensor()
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        using VideoCrafterUNet network = Ramp.Fill(new VideoCrafterUNet(s_tiny with { RelativePositions = 2 }, Placement.Cpu));
        Tensor x = Ramp.Values(1, 1, 4, 3, 4, 4), context = Ramp.Values(2, 1, 5, 6), time = tensor(500.0), fps = tensor(24L);
        long before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        network.Forward(x, time, context, fps);
        Assert.That(DisposeScopeManager.Statistics.ThreadTotalLiveCount, Is.EqualTo(before + 1));
    }

    [Test]
    public void WrongInputsAreRefusedWithWhatIsExpected()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoCrafterUNet network = Ramp.Fill(new VideoCrafterUNet(s_tiny, Placement.Cpu));
        Tensor context = zeros(1, 5, 6), one = tensor(1.0);
        Assert.That(() => network.Forward(zeros([1, 3, 2, 4, 4]), one, context, one), Throws.ArgumentException.With.Message.Contains("B, 4, T, H, W"));
        Assert.That(
            () => network.Forward(zeros([1, 4, 2, 5, 4]), one, context, one),
            Throws.ArgumentException.With.Message.Contains("multiples of 2").And.Message.Contains("5 x 4"));
        Assert.That(() => network.Forward(zeros([1, 4, 2, 4, 4]), one, context, tensor([1.0, 2.0])), Throws.ArgumentException.With.Message.Contains("fps"));
    }

    [TestCase("""{"dims": 3}""", "dims")]
    [TestCase("""{"use_causal_attention": true}""", "use_causal_attention")]
    [TestCase("""{"use_image_attention": true}""", "use_image_attention")]
    [TestCase("""{"model_channels": 48}""", "model_channels")]
    [TestCase("""{"num_head_channels": 512}""", "num_head_channels")]
    [TestCase("""{"num_head_channels": -1}""", "num_head_channels")]
    [TestCase("""{"in_channels": null}""", "in_channels")]
    public void AnotherNetworksConfigIsRefusedByName(string change, string named)
    {
        const string Sound = """
            {"in_channels": 4, "out_channels": 4, "model_channels": 64, "channel_mult": [1, 2], "num_res_blocks": 1, "attention_resolutions": [2],
             "num_head_channels": 8,
             "context_dim": 6, "use_relative_position": false}
            """;
        using JsonDocument sound = JsonDocument.Parse(Sound), changed = JsonDocument.Parse(change);
        Assert.That(VideoCrafterUNetConfig.FromJson(sound.RootElement).Levels, Is.EqualTo(2));
        var keys = sound.RootElement.EnumerateObject().Concat(changed.RootElement.EnumerateObject())
            .GroupBy(key => key.Name).ToDictionary(group => group.Key, group => group.Last().Value);
        Assert.That(() => VideoCrafterUNetConfig.FromJson(JsonSerializer.SerializeToElement(keys)), Throws.Exception.With.Message.Contains(named));
    }

    private static Tensor Run(VideoCrafterUNet network, long batch, long frames, long height, long width) =>
        network.Forward(Ramp.Values(1, batch, 4, frames, height, width), tensor(500.0), Ramp.Values(2, batch, 5, 6), tensor(24L));
}
