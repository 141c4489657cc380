using System.Text.Json;
using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Models.StableVideoDiffusion;
using Microsoft.ML.VideoAlignment.Tensors;
using Linear = Microsoft.ML.VideoAlignment.Layers.Linear;

namespace Microsoft.ML.VideoAlignment.Tests;

public class StableVideoDiffusionUNetTests
{
    // Wider than its 32 norm groups, so that the time embedding has an effect.
    private static readonly StableVideoDiffusionUNetConfig s_tiny = new()
    {
        BlockOutChannels = [64, 64],
        DownAttention = [true, false],
        UpAttention = [false, true],
        LayersPerBlock = [1, 1],
        TransformerLayers = [1, 1],
        CrossAttentionWidth = [6, 6],
        Heads = [4, 4],
        AdditionTimeEmbedDim = 4,
        AdditionWidth = 12,
        Frames = 3,
    };

    [TestCase(1, 1, 1, 1)]
    [TestCase(2, 3, 5, 7)]
    public void AnySizeGoesThrough(int batch, int frames, int height, int width)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        using StableVideoDiffusionUNet network = Ramp.Fill(new StableVideoDiffusionUNet(s_tiny, Placement.Cpu));
        Tensor y = network.Forward(Ramp.Values(1, batch, 8, frames, height, width), 0.5, Ramp.Values(2, batch, 1, 6), Numbers(batch));
        Assert.That(y.shape, Is.EqualTo(new long[] { batch, 4, frames, height, width }));
        Assert.That(y.isfinite().all().item<bool>());
    }

    [Test]
    public void ClipsOfABatchStayApartAndEachHasItsTimeAndNumbers()
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        using StableVideoDiffusionUNet network = Ramp.Fill(new StableVideoDiffusionUNet(s_tiny, Placement.Cpu));
        Tensor x = Ramp.Values(1, 2, 8, 3, 6, 6), context = Ramp.Values(2, 2, 1, 6), numbers = tensor(new float[,] { { 6, 127, 0.02f }, { 11, 60, 0.1f } });
        Tensor both = network.Forward(x, tensor([0.5, -1.0]), context, numbers);
        Tensor second = network.Forward(x[1..], -1.0, context[1..], numbers[1..]);
        Assert.That(GroupNormKernelTests.Distance(both[1..], second.to_type(ScalarType.Float64)), Is.LessThan(1e-5));
        Assert.That(network.Forward(x[1..], 0.5, context[1..], numbers[1..]).allclose(second, rtol: 1e-3, atol: 1e-3), Is.False, "another time");
        Assert.That(network.Forward(x[1..], -1.0, context[1..], numbers[..1]).allclose(second, rtol: 1e-3, atol: 1e-3), Is.False, "other numbers");
    }

    /// <summary>Keys and queries of the attention to the image's only token cannot matter, so no gradient reaches theirs.</summary>
    [Test]
    public void GradientReachesEveryAdapterThatCanMatterAndNothingElse()
    {
        using DisposeScope scope = NewDisposeScope();
        using StableVideoDiffusionUNet network = Ramp.Fill(new StableVideoDiffusionUNet(s_tiny, Placement.Cpu));
        Dictionary<string, LowRankAdapter> adapters = Adapt(network);
        network.Forward(Ramp.Values(1, 1, 8, 3, 6, 6), 0.5, Ramp.Values(2, 1, 1, 6), Numbers(1)).pow(2).sum().backward();
        string[] still =
        [
            .. adapters.Where(pair => pair.Value.Down.grad is null || pair.Value.Up.grad is null || pair.Value.Up.grad.count_nonzero().item<long>() == 0)
                .Select(pair => pair.Key),
        ];
        Assert.That(adapters, Is.Not.Empty);
        Assert.That(still, Is.All.Matches("attn2\\.to_[qk]$"));
        Assert.That(still, Has.Length.EqualTo(adapters.Keys.Count(name =>
            name.EndsWith("attn2.to_q", StringComparison.Ordinal) || name.EndsWith("attn2.to_k", StringComparison.Ordinal))));
        Assert.That(network.parameters().Select(parameter => parameter.grad), Is.All.Null);
    }

    [Test]
    public void RecomputedBlocksGiveTheSameGradient()
    {
        using DisposeScope scope = NewDisposeScope();
        using StableVideoDiffusionUNet network = Ramp.Fill(new StableVideoDiffusionUNet(s_tiny, Placement.Cpu));
        List<LowRankAdapter> adapters =
            [.. Adapt(network).Where(pair => !pair.Key.Contains(".attn2.to_", StringComparison.Ordinal)).Select(pair => pair.Value)];
        List<float[]> plain = Run(false), recomputed = Run(true);
        for (int i = 0; i < plain.Count; i++)
        {
            // Rounding only, as in ModelScopeUNet's; a lost input would be off by its whole size.
            float scale = plain[i].Max(value => Math.Abs(value));
            Assert.That(scale, Is.GreaterThan(0), $"tensor {i}");
            Assert.That(recomputed[i].Zip(plain[i], (a, b) => Math.Abs(a - b)).Max(), Is.LessThan(1e-5f * scale), $"tensor {i}");
        }

        List<float[]> Run(bool recompute)
        {
            using IDisposable memory = Recompute.BeginScope(recompute ? ActivationMemory.Recompute : ActivationMemory.Keep);
            adapters.ForEach(adapter => (adapter.Down.grad, adapter.Up.grad) = (null, null));
            Tensor x = Ramp.Values(1, 1, 8, 3, 6, 6).requires_grad_(true), context = Ramp.Values(2, 1, 1, 6).requires_grad_(true);
            Recompute.Backward(network.Forward(x, 0.5, context, Numbers(1)).pow(2).sum());
            IEnumerable<Tensor> gradients = adapters.SelectMany(adapter => new[] { adapter.Down.grad!, adapter.Up.grad! });
            return [.. new[] { x.grad!, context.grad! }.Concat(gradients).Select(g => g.data<float>().ToArray())];
        }
    }

    [Test]
    public void OneTokenIsSeenAsTwoOfTheSameAre()
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        using StableVideoDiffusionUNet network = Ramp.Fill(new StableVideoDiffusionUNet(s_tiny, Placement.Cpu));
        Tensor x = Ramp.Values(1, 2, 8, 3, 6, 6), context = Ramp.Values(2, 2, 1, 6);
        Tensor one = network.Forward(x, 0.5, context, Numbers(2)), two = network.Forward(x, 0.5, cat([context, context], 1), Numbers(2));
        Assert.That(GroupNormKernelTests.Distance(one, two.to_type(ScalarType.Float64)), Is.LessThan(1e-5));
    }

    [TestCase("""{"down_block_types": ["CrossAttnDownBlock3D", "DownBlock3D", "DownBlock3D", "DownBlock3D"]}""", "CrossAttnDownBlock3D")]
    [TestCase("""{"block_out_channels": [320, 640]}""", "down_block_types")]
    [TestCase("""{"block_out_channels": [320, 640, 1280, 1290]}""", "block_out_channels")]
    [TestCase("""{"num_attention_heads": 7}""", "num_attention_heads")]
    [TestCase("""{"num_attention_heads": [5, 10]}""", "num_attention_heads")]
    [TestCase("""{"layers_per_block": [2, 0, 2, 2]}""", "layers_per_block")]
    [TestCase("""{"projection_class_embeddings_input_dim": 700}""", "projection_class_embeddings_input_dim")]
    public void AnotherNetworksConfigIsRefusedByName(string json, string named)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        Assert.That(() => StableVideoDiffusionUNetConfig.FromJson(document.RootElement), Throws.Exception.With.Message.Contains(named));
    }

    [Test]
    public void AWrongShapeIsRefusedWithBothShapes()
    {
        using DisposeScope scope = NewDisposeScope();
        using StableVideoDiffusionUNet network = Ramp.Fill(new StableVideoDiffusionUNet(s_tiny, Placement.Cpu));
        Assert.That(
            () => network.Forward(zeros([1, 4, 2, 4, 4]), 1, zeros(1, 1, 6), Numbers(1)),
            Throws.ArgumentException.With.Message.Contains("B, 8, T, H, W").And.Message.Contains("[1, 4, 2, 4, 4]"));
        Assert.That(
            () => network.Forward(zeros([1, 8, 2, 4, 4]), 1, zeros(1, 1, 6), zeros(1, 2)), Throws.ArgumentException.With.Message.Contains("addedNumbers"));
        Assert.That(
            () => network.Forward(zeros([1, 8, 2, 4, 4]), tensor([1.0, 2.0]), zeros(1, 1, 6), Numbers(1)),
            Throws.ArgumentException.With.Message.Contains("timestep"));
    }

    private static Tensor Numbers(int batch) => tensor([6f, 127f, 0.02f]).expand(batch, 3);

    private static Dictionary<string, LowRankAdapter> Adapt(StableVideoDiffusionUNet network)
    {
        var adapters = new Dictionary<string, LowRankAdapter>(StringComparer.Ordinal);
        foreach ((string name, nn.Module module) in network.named_modules())
        {
            if (module is not Linear layer)
            {
                continue;
            }

            (long outputs, long inputs) = (layer.Weight.shape[0], layer.Weight.shape[1]);
            using Tensor down = Ramp.Values(adapters.Count, 2, inputs), up = Ramp.Values(adapters.Count + 7, outputs, 2);
            layer.Slot.Adapter = adapters[name] = new LowRankAdapter(nn.Parameter(down.clone()), nn.Parameter(up.clone()), 0.1);
        }

        return adapters;
    }
}
