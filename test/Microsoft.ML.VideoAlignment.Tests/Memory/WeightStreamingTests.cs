using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Memory;
using Microsoft.ML.VideoAlignment.MLNet;
using Microsoft.ML.VideoAlignment.Models;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>
/// Denoisers whose weights come one after another give the same numbers and take less memory. Without a GPU the weights wait in another part of the CPU's
/// memory. Weights that are converted at each use take the same way at rest, so that results are equal to the bit; others are multiplied by other calls of
/// libtorch in the backward pass, and equal to rounding.
/// </summary>
public class WeightStreamingTests
{
    private static readonly Dictionary<string, AlignmentAlgorithm> s_algorithms = new(StringComparer.Ordinal)
    {
        ["reward gradient"] = AlignmentAlgorithm.RewardGradient(new() { Window = GradientWindow.LastSteps(2) }),
        ["ddpo"] = AlignmentAlgorithm.Ddpo(new DdpoOptions { SamplesPerRollout = 4 }),
        ["dpo"] = AlignmentAlgorithm.DiffusionDpo(new DiffusionDpoOptions { PairsPerRollout = 2 }),
    };

    private static IEnumerable<TestCaseData> Runs() =>
        from algorithm in s_algorithms.Keys
        from recompute in Enum.GetValues<ActivationRecompute>()
        where algorithm == "reward gradient" || recompute == ActivationRecompute.Blocks
        from stored in new[] { WeightPrecision.BFloat16, WeightPrecision.Int8 }
        select new TestCaseData(algorithm, recompute, stored);

    [TestCaseSource(nameof(Runs))]
    public void TrainsTheSame(string algorithm, ActivationRecompute recompute, WeightPrecision stored)
    {
        VideoAlignmentOptions options = Options(VideoModelFamily.ModelScope) with
        {
            Algorithm = s_algorithms[algorithm],
            Memory = new() { Recompute = recompute },
        };
        using VideoDiffusionModel model = VideoDiffusionModel.FromPretrained(TinyModel.Folder, new VideoModelOptions { Precision = stored });
        float[] weights = Weights(model);
        byte[] expected = Train(model, options);
        using WeightStreaming streaming = WeightStreaming.Begin(model.Denoiser);
        Assert.That(streaming.Bytes, Is.GreaterThan(0.8 * model.Denoiser.parameters().Sum(static weight => weight.numel() * weight.element_size())));
        byte[] trained = Train(model, options);
        streaming.Restore();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(trained, Is.EqualTo(expected));
            Assert.That(Weights(model), Is.EqualTo(weights));
        }
    }

    [Test]
    public void EveryFamilyTrainsTheSame([ValueSource(typeof(ModelPartsAccess), nameof(ModelPartsAccess.Families))] string family)
    {
        using VideoDiffusionModel model = UntrainedModel.Make(family, UntrainedSize.Tiny, seed: 1, WeightPrecision.BFloat16);
        byte[] expected = Train(model, Options(family));
        using WeightStreaming streaming = WeightStreaming.Begin(model.Denoiser);
        byte[] trained = Train(model, Options(family));
        streaming.Restore();
        Assert.That(trained, Is.EqualTo(expected));
    }

    /// <summary>Weights in the type that they compute in: the output has the same bits, the gradient is that of the product.</summary>
    [Test]
    public void ALayerThatConvertsNothingHasItsGradient()
    {
        using DisposeScope scope = NewDisposeScope();
        using var layer = Ramp.Fill(new Layers.Linear(6, 5, Placement.Cpu));
        Tensor x = Ramp.Values(1, 4, 6).requires_grad_(true), slope = Ramp.Values(2, 4, 5);
        Tensor expected = layer.forward(x).detach(), weight = layer.Weight.detach().clone();
        using WeightStreaming streaming = WeightStreaming.Begin(layer);
        Tensor y = layer.forward(x);
        Recompute.Backward(y, slope);
        streaming.Restore();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(y.equal(expected).all().ToBoolean());
            Assert.That((x.grad! - slope.matmul(weight)).abs().max().ToDouble(), Is.LessThan(1e-5));
        }
    }

    /// <summary>No graph holds a weight: with all activations kept, a step has fewer bytes of weights alive than a window and a layer.</summary>
    [Test]
    public void AnEstimateCountsTheWindowAlone([Values] ActivationRecompute recompute)
    {
        using VideoDiffusionModel model = UntrainedModel.MakeOnMeta(VideoModelFamily.ModelScope, UntrainedSize.Full, WeightPrecision.BFloat16);
        VideoAlignmentOptions options = new()
        {
            Sampling = new() { Steps = 3, Frames = 2, Height = 64, Width = 64 },
            Lora = new() { Rank = 4 },
            Memory = new() { Recompute = recompute, Precision = ComputePrecision.BFloat16 },
        };
        MemoryEstimate plain = Estimate(options), streamed = Estimate(options with { Memory = options.Memory with { StreamWeights = true } });
        long window = (plain.Weights - streamed.Weights) / WeightStream.WindowParts;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(streamed.Weights, Is.LessThan(0.15 * plain.Weights));
            Assert.That(streamed.Sampling - plain.Sampling, Is.LessThan(window), "adapters are merged as the weights come");
            Assert.That(streamed.Backward - plain.Backward, Is.LessThan(1.2 * window));
            Assert.That(streamed.Peak, Is.LessThan(plain.Peak - (0.7 * (plain.Weights - streamed.Weights))));
        }

        MemoryEstimate Estimate(VideoAlignmentOptions tried) => MemoryEstimation.EstimateOn(new FakeDevice(), model, tried, reward: null);
    }

    [Test]
    public void TheCpuStreamsNothing()
    {
        using VideoDiffusionModel model = VideoDiffusionModel.Untrained(VideoModelFamily.ModelScope);
        VideoAlignmentOptions options = Options(VideoModelFamily.ModelScope), streamed = options with { Memory = new() { StreamWeights = true } };
        Assert.That(model.EstimateMemory(streamed).Weights, Is.EqualTo(model.EstimateMemory(options).Weights));
    }

    /// <summary>Where the copying cannot begin, nothing is left waiting.</summary>
    [Test]
    public void AFailureAtTheStartLeavesTheModelWhole()
    {
        using VideoDiffusionModel model = VideoDiffusionModel.Untrained(VideoModelFamily.ModelScope);
        float[] weights = Weights(model);
        Assert.That(() => WeightStreaming.Begin(model.Denoiser, new FullTransfer(3)), Throws.TypeOf<InsufficientMemoryException>());
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Weights(model), Is.EqualTo(weights));
            Assert.That(model.Denoiser.modules().OfType<IAdaptable>().Select(static layer => layer.Slot.Streamed), Is.All.Null);
        }
    }

    private static VideoAlignmentOptions Options(string family) => new()
    {
        Sampling = new()
        {
            Steps = 5,
            Frames = family == VideoModelFamily.OpenSora ? 17 : 2,
            Height = 32,
            Width = 32,
            ImageColumnName = family == VideoModelFamily.StableVideoDiffusion ? "Image" : null,
        },
        Lora = new() { Rank = 2 },
        Optimizer = new() { Steps = 2, BatchSize = 1, LearningRate = 0.05 },
        Reward = new() { Frames = RewardFrames.Spaced(1) },
        Seed = 5,
    };

    private static byte[] Train(VideoDiffusionModel model, VideoAlignmentOptions options)
    {
        VideoPrompt prompt = new("a red circle", model.Images == ImageUse.Required ? static () => zeros(3, 32, 32) : null);
        using VideoReward reward = TinyModel.Redness();
        using var folder = new TemporaryFolder();
        return new AlignmentRun(model, reward, options, Seed: 5, [prompt], [], folder.ToString()).Train(static _ => { }, static _ => { }).Adapters;
    }

    private static float[] Weights(VideoDiffusionModel model) => [.. model.Denoiser.parameters().SelectMany(static weight =>
    {
        using Tensor wide = weight.to_type(ScalarType.Float32).contiguous();
        return wide.data<float>().ToArray();
    })];

    /// <summary>Has room for a few weights.</summary>
    /// <param name="room">How many.</param>
    private sealed class FullTransfer(int room) : IWeightTransfer
    {
        private readonly QueuedTransfer _copies = new(CPU);

        public Tensor Store(Tensor weight) => room-- > 0 ? _copies.Store(weight) : throw new InsufficientMemoryException();

        public IWeightCopy Begin(Tensor waiting, long[] shape, long[] strides) => _copies.Begin(waiting, shape, strides);

        public void Dispose() => _copies.Dispose();
    }
}
