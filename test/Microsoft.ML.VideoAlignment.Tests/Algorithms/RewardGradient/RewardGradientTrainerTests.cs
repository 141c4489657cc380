using Microsoft.ML.VideoAlignment.Algorithms;
using Microsoft.ML.VideoAlignment.Algorithms.RewardGradient;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Tests;

[NonParallelizable]
public class RewardGradientTrainerTests
{
    private static readonly string[] s_prompts = ["a red circle", "a blue square", "a horse"];

    public static IEnumerable<TestCaseData> Steps() =>
        ConformanceCase.All().Where(testCase => testCase.Kind == "modelscope-train-step")
            .Select(testCase => new TestCaseData(testCase).SetName($"Recomputed({testCase})"));

    [TestCaseSource(nameof(Steps))]
    public void RecomputingBlocksGivesTheReferencesGradientToo(ConformanceCase testCase)
    {
        using DisposeScope scope = NewDisposeScope();
        ModelScopeTrainStepRunner.Run(testCase, recompute: true);
    }

    [Test]
    public void AccumulatedMicroBatchesGiveTheLargeBatchsGradient()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = TinyModel.Load();
        using LoraAdapters adapters = TinyModel.Adapt(model);
        using VideoReward reward = TinyModel.Redness();
        using var generator = new Generator(3);

        // In float64 only the order of sums differs; in float32 small gradients lose a digit or two to it.
        InFloat64(model);
        Tensor start = randn(model.LatentShape(3, TinyModel.Size), dtype: ScalarType.Float64, generator: generator);
        Dictionary<string, Tensor> whole = Gradients(accumulation: 1, [(0, 3)]);
        Dictionary<string, Tensor> parts = Gradients(accumulation: 3, [(0, 1), (1, 1), (2, 1)]);
        RequireEqual(parts, whole);

        Dictionary<string, Tensor> Gradients(int accumulation, (int Start, int Count)[] batches) => GradientsOf(
            model, reward, adapters, TinyModel.Settings(accumulation: accumulation),
            batches.Select(
                batch => TinyModel.Fixed(model, [.. s_prompts.Skip(batch.Start).Take(batch.Count)], start.narrow(0, batch.Start, batch.Count), [0, 2])));
    }

    /// <summary>A reward that is not a mean over frames, so that a chunk's gradient depends on frames outside it.</summary>
    [TestCase(1, false)]
    [TestCase(2, false)]
    [TestCase(2, true)]
    public void DecodedInChunksTheGradientIsTheSame(int framesPerDecode, bool recompute)
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = TinyModel.Load();
        using LoraAdapters adapters = TinyModel.Adapt(model);
        using VideoReward reward = VideoRewards.Custom(
            "restlessness", (frames, _) => (frames.diff(1, 2) * frames.mean([2], keepdim: true)).square().mean([1, 2, 3, 4]),
            new RewardContract { MinimumFrames = 2, ScoresFramesSeparately = false });
        using var generator = new Generator(3);
        InFloat64(model);
        using IDisposable memory = Recompute.BeginScope(recompute ? ActivationMemory.Recompute : ActivationMemory.Keep);
        Tensor start = randn(model.LatentShape(2, TinyModel.Size), dtype: ScalarType.Float64, generator: generator);
        int[] all = [.. Enumerable.Range(0, TinyModel.Size.Frames)];
        Assert.That(all, Has.Length.GreaterThan(framesPerDecode), "otherwise there is one chunk");
        RequireEqual(Gradients(framesPerDecode), Gradients(null));

        Dictionary<string, Tensor> Gradients(int? count) =>
            GradientsOf(model, reward, adapters, TinyModel.Settings() with { FramesPerDecode = count }, [TinyModel.Fixed(model, s_prompts[..2], start, all)]);
    }

    [Test]
    public void OneSeedGivesOneResultBitForBit()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = TinyModel.Load();
        byte[] first = Run();
        byte[] second = Run();
        Assert.That(second, Is.EqualTo(first));

        byte[] Run()
        {
            using LoraAdapters adapters = TinyModel.Adapt(model);
            Train(model, TinyModel.Redness(), adapters, TinyModel.Settings(steps: 3));
            using var file = new MemoryStream();
            SafetensorsWriter.Write(file, adapters.StateDict());
            return file.ToArray();
        }
    }

    [Test]
    public void TrainingRaisesTheReward()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = TinyModel.Load();
        using LoraAdapters adapters = TinyModel.Adapt(model);
        TrainerSettings settings = TinyModel.Settings(steps: 12) with
        {
            ValidationPrompts = ["a green cross"],
            ValidateEvery = 1,
            Window = GradientWindow.LastSteps(3),
        };
        var curve = new List<double>();
        Train(model, TinyModel.Redness(), adapters, settings, step => curve.Add(step.ValidationReward!.Value));
        Assert.That(curve[^1], Is.GreaterThan(curve[0] + 1e-3), string.Join(", ", curve));
    }

    /// <summary>The means that the first run left would change every score of the second.</summary>
    [Test]
    public void ARewardThatRemembersBeginsEachRunAnew()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = TinyModel.Load();
        using VideoReward reward = VideoRewards.Mix([(TinyModel.Redness(), 1f)], normalize: true);
        List<double> first = Run();
        Assert.That(first, Has.Some.Not.Zero);
        Assert.That(Run(), Is.EqualTo(first));

        List<double> Run()
        {
            using LoraAdapters adapters = TinyModel.Adapt(model);
            var scores = new List<double>();
            using var trainer = TinyModel.Settings(steps: 3).Trainer(model, reward, adapters);
            trainer.Train([.. s_prompts], step => scores.Add(step.Reward));
            return scores;
        }
    }

    [Test]
    public void LiveTensorsAreFlatOverFortySteps()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = TinyModel.Load();
        using LoraAdapters adapters = TinyModel.Adapt(model);
        TrainerSettings settings = TinyModel.Settings(steps: 40);
        settings = settings with { Frames = RewardFrames.OneRandom, Sampling = settings.Sampling with { Steps = 2, GuidanceScale = 1 } };
        var live = new List<long>();
        Train(model, TinyModel.Redness(), adapters, settings, _ => live.Add(DisposeScopeManager.Statistics.ThreadTotalLiveCount));

        // Prompts are encoded once each, and the optimizer makes its moments in the first steps.
        Assert.That(live.Skip(5).Distinct().Count(), Is.EqualTo(1), string.Join(", ", live.Take(20)));
    }

    [Test]
    public void ANotFiniteScoreStopsWithTheLastGoodWeightsSaved()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = TinyModel.Load();
        using LoraAdapters adapters = TinyModel.Adapt(model);
        int calls = 0;
        VideoReward reward = VideoRewards.Custom("breaks", (frames, _) => frames.mean([1, 2, 3, 4]) * (++calls == 3 ? double.NaN : 1));
        Dictionary<string, byte[]> afterStepTwo = [];
        TrainingStepException? stop = Assert.Throws<TrainingStepException>(() => Train(model, reward, adapters, TinyModel.Settings(steps: 5), step =>
        {
            if (step.Step == 2)
            {
                afterStepTwo = Bytes(adapters.StateDict());
            }
        }));
        Assert.That(stop!.Step, Is.EqualTo(3));
        Assert.That(stop.Message, Does.Contain("the score").And.Contain("step 3").And.Contain(stop.LastGoodWeights!));
        using var file = new SafetensorsFile(stop.LastGoodWeights!);
        Assert.That(Bytes(file.Entries.Keys.ToDictionary(name => name["unet.".Length..], file.Read)), Is.EqualTo(afterStepTwo));
        Assert.That(Bytes(adapters.StateDict()), Is.EqualTo(afterStepTwo), "nothing of the bad step reached the adapters");
        file.Dispose();
        File.Delete(stop.LastGoodWeights!);
    }

    [Test]
    public void ARewardThatThrowsMidRunLosesNothing()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = TinyModel.Load();
        using LoraAdapters adapters = TinyModel.Adapt(model);
        int calls = 0;
        VideoReward reward = VideoRewards.Custom(
            "throws", (frames, _) => ++calls < 3 ? frames.mean([1, 2, 3, 4]) : throw new TimeoutException("the scoring service is away"));
        TrainingStepException? stop = Assert.Throws<TrainingStepException>(() => Train(model, reward, adapters, TinyModel.Settings(steps: 5)));
        Assert.That(stop!.InnerException, Is.TypeOf<TimeoutException>());
        Assert.That(stop.Message, Does.Contain("the scoring service is away"));
        Assert.That(File.Exists(stop.LastGoodWeights));
        File.Delete(stop.LastGoodWeights!);
    }

    [Test]
    public void ARewardWhoseGradientReachesNoAdapterIsNoticed()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = TinyModel.Load();
        using LoraAdapters adapters = TinyModel.Adapt(model);
        VideoReward reward = VideoRewards.Custom("constant", (frames, _) => frames.mean([1, 2, 3, 4]) * 0);
        Assert.That(() => Train(model, reward, adapters, TinyModel.Settings(steps: 3)),
            Throws.TypeOf<TrainingStepException>().With.InnerException.TypeOf<InvalidOperationException>().And.Message.Contains("no gradient has reached"));
    }

    [Test]
    public void StepsLostToRoundingAreNoticed()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = TinyModel.Load();
        using LoraAdapters adapters = TinyModel.Adapt(model);
        using (no_grad())
        {
            foreach (TorchSharp.Modules.Parameter each in adapters.Parameters)
            {
                each.fill_(0.1);
            }
        }

        TrainerSettings settings = TinyModel.Settings(steps: 3) with { WeightDecay = 0 };
        var warnings = new List<string>();
        Assert.That(
            () => Train(model, TinyModel.Redness(), adapters, settings with { LearningRate = 1e-12 }),
            Throws.TypeOf<TrainingStepException>().With.InnerException.TypeOf<InvalidOperationException>().And.Message.Contains("none of the")
                .And.Message.Contains("Raise the learning rate"));

        // One tensor is too large to be moved by a step that moves others.
        (string large, TorchSharp.Modules.Parameter factor) = adapters.NamedFactors.Last(pair => pair.Name.Contains("lora_A", StringComparison.Ordinal));
        using (no_grad())
        {
            factor.fill_(1e8);
        }

        using VideoReward reward = TinyModel.Redness();
        using var trainer = settings.Trainer(model, reward, adapters);
        Assert.That(trainer.Train(["a red circle"], warn: warnings.Add), Is.EqualTo(3));
        Assert.That(warnings, Has.Some.StartsWith("No step moves"), large);
    }

    [Test]
    public void StepsInWhichNothingIsFoundAreWaitedOutWhereTheContractSaysSo()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = TinyModel.Load();
        using LoraAdapters adapters = TinyModel.Adapt(model);
        var contract = new RewardContract { GradientMayVanish = true };
        int calls = 0;
        VideoReward nothing = VideoRewards.Custom("nothing found", (frames, _) => frames.mean([1, 2, 3, 4]) * 0, contract);
        VideoReward late = VideoRewards.Custom("found late", (frames, _) => frames.select(1, 0).mean([1, 2, 3]) * (++calls > 3 ? 1 : 0), contract);
        var warnings = new List<string>();
        Assert.That(() => Train(model, nothing, adapters, TinyModel.Settings(steps: 3)), Throws.Nothing);
        using var trainer = TinyModel.Settings(steps: 6).Trainer(model, late, adapters);
        Assert.That(trainer.Train(["a red circle"], warn: warnings.Add), Is.EqualTo(6));
        Assert.That(warnings, Is.Empty,
            "queries and keys over one pixel are known to be inert; the two updates that are looked at are the first with a gradient");
    }

    [Test]
    public void CancellationKeepsTheWeightsOfTheLastStep()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = TinyModel.Load();
        using LoraAdapters adapters = TinyModel.Adapt(model);
        using var cancel = new CancellationTokenSource();
        Dictionary<string, byte[]> afterStepTwo = [];
        int done = Train(model, TinyModel.Redness(), adapters, TinyModel.Settings(steps: 5), step =>
        {
            if (step.Step == 2)
            {
                afterStepTwo = Bytes(adapters.StateDict());
                cancel.Cancel();
            }
        }, cancel.Token);
        Assert.That(done, Is.EqualTo(2));
        Assert.That(Bytes(adapters.StateDict()), Is.EqualTo(afterStepTwo));
    }

    /// <summary>What the micro-batches before it gathered does not wait in the adapters for who uses them next.</summary>
    [Test]
    public void ACanceledStepLeavesNoGradientBehind()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = TinyModel.Load();
        using LoraAdapters adapters = TinyModel.Adapt(model);
        using var cancel = new CancellationTokenSource();
        int calls = 0;
        VideoReward reward = VideoRewards.Custom("cancels", (frames, _) =>
        {
            if (++calls == 2)
            {
                cancel.Cancel();
            }

            return frames.mean([1, 2, 3, 4]);
        });
        Assert.That(Train(model, reward, adapters, TinyModel.Settings(steps: 1) with { AccumulationSteps = 3 }, cancellation: cancel.Token), Is.Zero);
        Assert.That(calls, Is.EqualTo(2));
        Assert.That(adapters.Parameters.All(factor => factor.grad is null || factor.grad.abs().sum().ToDouble() == 0));
    }

    private static int Train(
        VideoDiffusionModel model, VideoReward reward, LoraAdapters adapters, TrainerSettings settings, Action<TrainingStep>? onStep = null,
        CancellationToken cancellation = default)
    {
        using (reward)
        using (RunContext.Begin(DeviceType.CPU, cancellation: cancellation))
        using (var trainer = settings.Trainer(model, reward, adapters))
        {
            return trainer.Train([.. s_prompts], onStep);
        }
    }

    private static Dictionary<string, byte[]> Bytes(IReadOnlyDictionary<string, Tensor> state) =>
        state.ToDictionary(pair => pair.Key, pair => pair.Value.contiguous().bytes.ToArray(), StringComparer.Ordinal);

    private static void InFloat64(VideoDiffusionModel model)
    {
        foreach (nn.Module network in model.Networks.Values)
        {
            network.to(ScalarType.Float64);
        }
    }

    /// <summary>The accumulated gradient of every upper factor (the lower ones have none while the upper are zero), by name.</summary>
    private static Dictionary<string, Tensor> GradientsOf(
        VideoDiffusionModel model, VideoReward reward, LoraAdapters adapters, TrainerSettings settings, IEnumerable<Rollout> rollouts)
    {
        using var trainer = settings.Trainer(model, reward, adapters);
        foreach (Rollout rollout in rollouts)
        {
            trainer.Backward(rollout);
        }

        Dictionary<string, Tensor> gradients = adapters.NamedFactors.Where(pair => pair.Name.Contains("lora_B", StringComparison.Ordinal))
            .ToDictionary(pair => pair.Name, pair => pair.Factor.grad!.clone());
        foreach ((_, TorchSharp.Modules.Parameter factor) in adapters.NamedFactors)
        {
            factor.grad = null;
        }

        return gradients;
    }

    /// <summary>To rounding, of which one part is that of the largest gradient: small ones are differences of large ones.</summary>
    private static void RequireEqual(Dictionary<string, Tensor> gradients, Dictionary<string, Tensor> expected)
    {
        double largest = expected.Values.Max(gradient => gradient.abs().max().ToDouble());
        Assert.That(largest, Is.GreaterThan(0));
        foreach ((string name, Tensor gradient) in expected)
        {
            double scale = gradient.abs().max().ToDouble();
            Assert.That((gradients[name] - gradient).abs().max().ToDouble(), Is.LessThanOrEqualTo((scale * 1e-6) + (largest * 1e-12)), name);
        }
    }
}
