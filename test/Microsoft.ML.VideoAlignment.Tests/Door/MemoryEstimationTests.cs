using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Memory;
using Microsoft.ML.VideoAlignment.Models.VideoCrafter;
using Microsoft.ML.VideoAlignment.MovingShapes;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>
/// What is estimated before a run, and what is said when memory runs out in one. How near the estimate comes to a process is the benchmarks' question.
/// </summary>
[SuppressMessage("Usage", "CA2201", Justification = "ExternalException is what TorchSharp throws for libtorch.")]
public class MemoryEstimationTests
{
    private static readonly VideoAlignmentOptions s_options = new() { Lora = new() { Rank = 4 }, Reward = new() { Frames = RewardFrames.All } };

    private VideoDiffusionModel _model = null!;

    [OneTimeSetUp]
    public void Load() => _model = MovingShapesModels.TextToVideo();

    [OneTimeTearDown]
    public void Free() => _model.Dispose();

    /// <summary>Whose sampler does not take every number of steps: a run of fewer steps on shapes must not ask for one that it refuses.</summary>
    [Test]
    public void EveryWindowOfVideoCrafterIsEstimated([Values(1, 2, 3, 4)] int withGradient, [Values(4, 5)] int steps)
    {
        using VideoDiffusionModel model = VideoDiffusionModel.Untrained(VideoModelFamily.VideoCrafter);
        var options = new VideoAlignmentOptions
        {
            Sampling = new() { Steps = steps },
            Algorithm = AlignmentAlgorithm.RewardGradient(new() { GradientSteps = withGradient }),
        };
        Assert.That(model.EstimateMemory(options).GradientSteps, Is.GreaterThan(0));
    }

    [Test]
    public void WeightsAndAdaptersAreExact()
    {
        long weights = _model.Networks.Values.SelectMany(network => network.state_dict().Values).Sum(tensor => tensor.numel() * tensor.element_size());
        using var generator = new Generator(1);
        using LoraAdapters adapters =
            LoraAdapters.Attach(_model.Denoiser, s_options.Lora.TargetsFor(_model.LoraVocabulary), s_options.Lora.Rank, s_options.Lora.Alpha, generator);
        MemoryEstimate estimate = _model.EstimateMemory(s_options);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(estimate.Weights, Is.EqualTo(weights));
            Assert.That(estimate.Adapters, Is.EqualTo(adapters.Parameters.Sum(factor => factor.numel()) * 4 * sizeof(float)));
        }
    }

    [Test]
    public void HalfPrecisionHalvesTheWeights()
    {
        using VideoDiffusionModel half =
            VideoDiffusionModel.FromPretrained(MovingShapesFiles.Find("text-to-video"), new VideoModelOptions { Precision = WeightPrecision.Float16 });
        Assert.That(half.EstimateMemory(s_options).Weights * 2, Is.EqualTo(_model.EstimateMemory(s_options).Weights));
    }

    [Test]
    public void ActivationsGrowWithTheBatch()
    {
        long one = Of(1), two = Of(2), four = Of(4);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(two, Is.GreaterThan(1.7 * one).And.LessThan(2.2 * one));
            Assert.That(four, Is.GreaterThan(1.7 * two).And.LessThan(2.2 * two));
        }

        long Of(int batch) => _model.EstimateMemory(s_options with
        {
            Optimizer = s_options.Optimizer with { BatchSize = batch },
            Memory = s_options.Memory with { Recompute = ActivationRecompute.None },
        }).GradientSteps;
    }

    /// <summary>Each segment of an Open-Sora video is run again in the backward pass: three take what two do.</summary>
    [Test]
    public void AVideoOfOpenSoraTakesNoMoreWithMoreClips()
    {
        using VideoDiffusionModel model = VideoDiffusionModel.Untrained(VideoModelFamily.OpenSora);
        VideoAlignmentOptions options = new()
        {
            Sampling = new() { Frames = 17, Height = 64, Width = 64 },
            Lora = new() { Rank = 2 },
            Reward = new() { Frames = RewardFrames.OneRandom },
        };
        long two = model.EstimateMemory(options with { Sampling = options.Sampling with { SegmentCount = 2 } }).Backward,
            three = model.EstimateMemory(options with { Sampling = options.Sampling with { SegmentCount = 3 } }).Backward;
        Assert.That(three, Is.LessThan(1.1 * two).And.GreaterThan(0));
    }

    [Test]
    public void ActivationsGrowWithFramesAndPixels()
    {
        MemoryEstimate usual = _model.EstimateMemory(s_options);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(_model.EstimateMemory(s_options with { Sampling = s_options.Sampling with { Frames = 16 } }).GradientSteps,
                Is.GreaterThan(1.8 * usual.GradientSteps));
            Assert.That(_model.EstimateMemory(s_options with { Sampling = s_options.Sampling with { Height = 64, Width = 64 } }).Decode,
                Is.GreaterThan(3.5 * usual.Decode));
            Assert.That(_model.EstimateMemory(s_options with { Reward = s_options.Reward with { Frames = RewardFrames.OneRandom } }).Backward,
                Is.LessThan(usual.Backward));
            MemoryOptions kept = s_options.Memory with { Recompute = ActivationRecompute.None };
            Assert.That(_model.EstimateMemory(s_options with { Memory = kept with { FramesPerDecode = 1 } }).Backward,
                Is.LessThan(_model.EstimateMemory(s_options with { Memory = kept }).Backward));
        }
    }

    [Test]
    public void AWithGradientStepIsKeptWholeOrByItsInputs()
    {
        long kept = Of(3, recompute: false) - Of(2, recompute: false), inputs = Of(3, recompute: true) - Of(2, recompute: true);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(inputs, Is.Positive);
            Assert.That(kept, Is.GreaterThan(3 * inputs));
        }

        long Of(int steps, bool recompute) => _model.EstimateMemory(
            s_options with
            {
                Algorithm = AlignmentAlgorithm.RewardGradient(new() { GradientSteps = steps }),
                Memory = s_options.Memory with { Recompute = recompute ? ActivationRecompute.Blocks : ActivationRecompute.None },
            }).GradientSteps;
    }

    [Test]
    public void ThePublishedSizeNeedsNoMemory()
    {
        VideoCrafterConfig config = VideoCrafterConfig.VideoCrafter2;
        using var networks = new VideoCrafterNetworks(config, Placement.Meta);
        using VideoDiffusionModel model =
            new VideoDiffusionModel(VideoCrafterModel.FromNetworks("published", config, networks, tokenizer: null, Placement.Meta));
        MemoryEstimate estimate = model.EstimateMemory(VideoAlignmentPresets.VaderVideoCrafterHpsAesthetic);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(estimate.Weights, Is.GreaterThan(4 * networks.UNet.parameters().Sum(parameter => parameter.numel())));
            Assert.That(estimate.Peak, Is.GreaterThan(estimate.Weights + estimate.Adapters).And.LessThan(24_000_000_000), "fits a card of 24 GB");
            Assert.That(estimate.ToString(), Does.Contain("VideoCrafter, 12 x 320 x 512").And.Contain(estimate.PeakPhase));
        }
    }

    /// <summary>The real kernels on real tensors, followed in the same way, hold what the shapes held.</summary>
    [Test]
    public void ShapesKeepWhatTensorsKeep([Values] bool recompute)
    {
        VideoDiffusionModel shapes = _model.ToMeta();
        using IDisposable memory = Recompute.BeginScope(recompute ? ActivationMemory.Recompute : ActivationMemory.Keep);
        long real = Kept(_model, CPU), estimated = Kept(shapes, META);
        Assert.That(estimated, Is.EqualTo(real).Within(2).Percent);
    }

    [Test]
    public void RunningOutOfMemorySaysWhatARunTakesAndWhatToChange()
    {
        using VideoReward greedy = VideoRewards.Custom("greedy", (_, _) =>
            throw new ExternalException("[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes."));
        var context = new MLContext(seed: 1);
        IDataView prompts = context.Data.LoadFromEnumerable([new PromptRow { Prompt = "a red circle" }]);
        VideoAlignmentOptions options = s_options with
        {
            Optimizer = s_options.Optimizer with { BatchSize = 2 },
            Algorithm = AlignmentAlgorithm.RewardGradient(new() { GradientSteps = 3 }),
            Memory = s_options.Memory with { Recompute = ActivationRecompute.None },
        };
        VideoAlignmentEstimator estimator = context.Transforms.AlignVideoDiffusion("Video", "Prompt", _model, greedy, options);
        InsufficientMemoryException? error = Assert.Throws<InsufficientMemoryException>(() => estimator.Fit(prompts));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(error!.Message, Does.Contain(MemoryEstimate.InMegabytes(_model.EstimateMemory(options, greedy).Peak)));
            Assert.That(error.Message, Does.Contain("Recompute = Blocks").And.Contain("BatchSize (now 2)").And.Contain("GradientSteps (now 3)"));
            Assert.That(error.Message, Does.Contain("FramesPerDecode = 1 (now 8)").And.Contain("8 x 32 x 32").And.Contain("Precision").And.Contain("99 bytes"));
        }
    }

    [Test]
    public void OtherFaultsAreLeftAlone()
    {
        var fault = new ExternalException("mat1 and mat2 shapes cannot be multiplied");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(OutOfMemoryAdvice.Caused(fault), Is.False);
            Assert.That(OutOfMemoryAdvice.Caused(
                new InvalidOperationException("step 3", new ExternalException("CUDA out of memory. Tried to allocate 2.00 GiB"))), Is.True);
            Assert.That(OutOfMemoryAdvice.Caused(new ExternalException("DefaultCPUAllocator: not enough memory: you tried to allocate 1 bytes")), Is.True);
        }
    }

    /// <summary>Bytes of the graph of a prediction with gradient and of a decoded frame, weights aside.</summary>
    private static long Kept(VideoDiffusionModel model, Device device)
    {
        using DisposeScope scope = NewDisposeScope();
        using var generator = new Generator(1);
        using LoraAdapters adapters = LoraAdapters.Attach(model.Denoiser, model.LoraVocabulary.AttentionQkvOut, 4, 4, generator);
        Condition condition = model.EmptyCondition(1, model.DefaultSize).Map(tensor => zeros(tensor.shape, device: device));
        Tensor latents = zeros(model.LatentShape(1, model.DefaultSize), device: device);
        IEnumerable<Tensor> apart =
            model.Networks.Values.SelectMany(network => network.parameters()).Concat(adapters.Parameters).Where(tensor => tensor.device_type == device.type);
        using var meter = new MemoryProfiler([.. apart], DeviceType.CPU, device.type);
        Tensor prediction = model.Predict(latents, 500, condition);
        Tensor frame = model.Decode(prediction, model.DefaultSize.Frames, [0]);
        meter.Sample(frame, condition.Text);
        return meter.Alive;
    }
}
