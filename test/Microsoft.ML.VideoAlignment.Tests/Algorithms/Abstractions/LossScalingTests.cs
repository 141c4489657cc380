using Microsoft.ML.VideoAlignment.Algorithms;
using Microsoft.ML.VideoAlignment.Algorithms.RewardGradient;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Runs;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>
/// Runs whose loss is scaled. The precision of a reward's networks is float16, and a reward of a program's own has none: all is computed in float32, and
/// nothing but the scale differs from other runs.
/// </summary>
[NonParallelizable]
public class LossScalingTests
{
    private static readonly MemoryOptions s_scaled = new() { RewardPrecision = ComputePrecision.Float16 };

    private static readonly VideoPrompt[] s_prompts = ["a red circle", "a blue square", "a horse", "a green cross"];

    private static IEnumerable<TestCaseData> Runs() => new (string Name, Func<TrainerSettings, TrainerSettings> Change, AlignmentAlgorithm Algorithm)[]
    {
        ("VADER", settings => settings, AlignmentAlgorithm.RewardGradient()),
        ("VADER with accumulation", settings => settings with { AccumulationSteps = 3 }, AlignmentAlgorithm.RewardGradient()),
        ("VADER with a penalty", settings => settings, AlignmentAlgorithm.RewardGradient(new() { KlWeight = 7 })),
        ("VADER with a penalty, frame by frame", settings => settings with { FramesPerDecode = 1 }, AlignmentAlgorithm.RewardGradient(new() { KlWeight = 7 })),
        ("DRaFT-LV", settings => settings, AlignmentAlgorithm.RewardGradient(new() { Window = GradientWindow.LowVariance(2), KlWeight = 7 })),
        ("DDPO", settings => settings with { BatchSize = 2 }, AlignmentAlgorithm.Ddpo(new() { PerPromptAdvantages = false })),
        ("Diffusion-DPO", settings => settings with { AccumulationSteps = 3 }, AlignmentAlgorithm.DiffusionDpo()),
    }.Select(run => new TestCaseData(run.Change, run.Algorithm).SetName($"{{m}}({run.Name})"));

    /// <summary>The scale is a power of two, and a gradient is linear in the loss: within range not a bit differs.</summary>
    [TestCaseSource(nameof(Runs))]
    public void TheScaleItselfChangesNoBit(object change, AlignmentAlgorithm algorithm)
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = TinyModel.Load();
        var apply = (Func<TrainerSettings, TrainerSettings>)change;
        (IReadOnlyDictionary<string, Tensor> plain, List<TrainingStep> steps) = Train(new MemoryOptions());
        (IReadOnlyDictionary<string, Tensor> scaled, List<TrainingStep> same) = Train(s_scaled);
        Assert.That(
            same.Select(step => step with { Elapsed = default }), Is.EqualTo(steps.Select(step => step with { Elapsed = default })), "what is reported");
        Assert.That(same.Select(step => step.Update.GradientNorm), Is.All.GreaterThan(0));
        Assert.That(scaled.Keys, Has.All.Matches<string>(name => scaled[name!].equal(plain[name!]).all().ToBoolean()));

        (IReadOnlyDictionary<string, Tensor>, List<TrainingStep>) Train(MemoryOptions memory)
        {
            using LoraAdapters adapters = TinyModel.Adapt(model);
            TrainerSettings settings = TinyModel.Settings(steps: 3) with { Memory = memory };
            using AlignmentTrainer trainer = algorithm.Definition.CreateTrainer(apply(settings).Run(model, TinyModel.Redness()), adapters);
            var steps = new List<TrainingStep>();
            trainer.Train(s_prompts, steps.Add);
            return (adapters.StateDict(), steps);
        }
    }

    /// <summary>The slope on the pixels is 4, so that float16 holds it times 8192 and not times 16384: three steps overflow.</summary>
    [Test]
    public void AStepThatOverflowsChangesNothingAndHalvesTheScale()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = TinyModel.Load();
        using LoraAdapters adapters = TinyModel.Adapt(model);
        using var temporary = new TemporaryFolder();
        using RunFolder folder = RunFolder.Open(temporary.Path("run"), static _ => { });
        folder.Compare(new RunFingerprint([]), static _ => { });
        TrainerSettings settings = TinyModel.Settings(steps: 5) with { Memory = s_scaled, EmaDecay = 0.5 };
        TrainingRun run = settings.Run(model, Steep(4)) with { Folder = folder, Control = new RunControl { StateEvery = 1 } };
        using var trainer = new RewardGradientTrainer(run, adapters, settings.Gradient);
        IReadOnlyDictionary<string, Tensor> start = adapters.StateDict();
        var seen = new List<(TrainingStep Step, bool Moved, long Updates, long Averaged, double Scale, long Good)>();
        trainer.Train(s_prompts, step =>
        {
            using RunState state = RunState.Open(Directory.GetFiles(temporary.Path("run"), "state-*").Max(StringComparer.Ordinal)!);
            Assert.That(state.Step, Is.EqualTo(step.Step));
            StateReader Section(string name) => state.Content.OpenSection(name);
            seen.Add((
                step, adapters.StateDict().Any(pair => !pair.Value.equal(start[pair.Key]).all().ToBoolean()), Section("optimizer").ReadInteger("steps/0"),
                Section("average").ReadInteger("updates"), Section("lossScale").ReadNumber("scale"), Section("lossScale").ReadInteger("goodSteps")));
        });
        Assert.That(seen.Select(each => each.Step.Update.Skipped), Is.EqualTo(new[] { true, true, true, false, false }));
        Assert.That(seen.Select(each => each.Scale), Is.EqualTo(new[] { 32768.0, 16384, 8192, 8192, 8192 }));
        Assert.That(seen.Select(each => each.Good), Is.EqualTo(new[] { 0L, 0, 0, 1, 2 }));
        Assert.That(seen.Select(each => each.Moved), Is.EqualTo(new[] { false, false, false, true, true }), "no bit of a factor");
        Assert.That(seen.Select(each => each.Updates), Is.EqualTo(new[] { 0L, 0, 0, 1, 2 }), "Adam's steps");
        Assert.That(seen.Select(each => each.Averaged), Is.EqualTo(new[] { 0L, 0, 0, 1, 2 }));
        Assert.That(seen.Select(each => double.IsFinite(each.Step.Loss)), Is.All.True, "the loss itself is not scaled");
        Assert.That(seen.Select(each => double.IsNaN(each.Step.Update.GradientNorm)), Is.EqualTo(new[] { true, true, true, false, false }));
    }

    /// <summary>What overflows without any scale ends the run: 16 steps are skipped, down to a scale of 1, and the seventeenth is one too many.</summary>
    [TestCase(true, "the score is not finite")]
    [TestCase(false, "the gradient of ")]
    public void ARunThatAlwaysOverflowsEndsWithWhatToDo(bool score, string said)
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = TinyModel.Load();
        using LoraAdapters adapters = TinyModel.Adapt(model);
        using var folder = new TemporaryFolder();
        using VideoReward reward = score ? Infinite() : Steep(1e6);
        IReadOnlyDictionary<string, Tensor> start = adapters.StateDict();
        TrainerSettings settings = TinyModel.Settings(steps: 30) with { Memory = s_scaled, RecoveryFolders = [$"{folder}"] };
        using var trainer = (settings with { Sampling = settings.Sampling with { Steps = 1 } }).Trainer(model, reward, adapters);
        var steps = new List<TrainingStep>();
        TrainingStepException failure = Assert.Throws<TrainingStepException>(() => trainer.Train(s_prompts, steps.Add))!;
        Assert.That(failure.Message, Does.StartWith("Training step 17: ").And.Contains(said).And.Contains("Memory.RewardPrecision: Float16")
            .And.Contains("ComputePrecision.BFloat16"));
        Assert.That(steps.Select(step => step.Update.Skipped), Is.EqualTo(Enumerable.Repeat(true, 16)));
        Assert.That(adapters.StateDict().All(pair => pair.Value.equal(start[pair.Key]).all().ToBoolean()), "no weight has moved");
        Assert.That(failure.LastGoodWeights, Does.Exist);
    }

    /// <summary>A reward in float32 has its infinite score from its own formula: less scale does not help.</summary>
    [Test]
    public void AScoreThatFloat16DoesNotExplainEndsTheRunAtOnce()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = TinyModel.Load();
        using LoraAdapters adapters = TinyModel.Adapt(model);
        using VideoReward reward = Infinite();
        TrainerSettings settings = TinyModel.Settings(steps: 3) with { Memory = new MemoryOptions { DecoderPrecision = ComputePrecision.Float16 } };
        using var trainer = settings.Trainer(model, reward, adapters);
        Assert.That(() => trainer.Train(s_prompts), Throws.TypeOf<TrainingStepException>().With.Message.StartsWith("Training step 1: the score is not finite")
            .And.Message.Not.Contains("Float16"));
    }

    [Test]
    public void SkippedStepsAreCountedAndToldAcrossSittings()
    {
        var run = new RunCase("scaled", DoorRig.ThreeSteps with { Optimizer = new() { Steps = 5, LearningRate = 0.05 }, Memory = s_scaled, Seed = 3 });
        using var folder = new TemporaryFolder();
        var straight = new List<VideoAlignmentProgress>();
        var log = new List<string>();
        byte[] expected = run.Fit(folder: null, Steep(4), log: log, control: RunCase.EachStep with { Progress = new Reported(straight.Add) });
        Assert.That(straight.Select(step => step.Skipped), Is.EqualTo(new[] { true, true, true, false, false }));
        string[] lines = [.. log.Where(line => line.StartsWith("Step ", StringComparison.Ordinal))];
        Assert.That(
            lines.Select(line => line.EndsWith("skipped: float16 overflowed.", StringComparison.Ordinal)), Is.EqualTo(straight.Select(step => step.Skipped)));
        var resumed = new List<VideoAlignmentProgress>();
        byte[] last = [];
        for (int sitting = 0; sitting < 5; sitting++)
        {
            using var stop = new CancellationTokenSource();
            last = run.Fit($"{folder}", Steep(4), control: RunCase.EachStep with { Progress = new Reported(Report), CancellationToken = stop.Token });

            void Report(VideoAlignmentProgress step)
            {
                resumed.Add(step);
                stop.Cancel();
            }
        }

        Assert.That(last, Is.EqualTo(expected));
        Assert.That(resumed.Select(step => (step.Step, step.Skipped)), Is.EqualTo(straight.Select(step => (step.Step, step.Skipped))));
    }

    /// <summary>A state of a run that is not scaled knows nothing of it, and a scaled run can go on from it.</summary>
    [Test]
    public void AStateWithoutAScaleIsAsItWasAndCanBeReadByScaledRuns()
    {
        var run = new RunCase("plain", DoorRig.ThreeSteps with { Seed = 3 });
        using var folder = new TemporaryFolder();
        run.Fit($"{folder}");
        using (RunState state = RunState.Open(Directory.GetFiles($"{folder}", "state-*").Max(StringComparer.Ordinal)!))
        {
            Assert.That(state.Content.OpenSection("lossScale").IsEmpty);
        }

        var steps = new List<VideoAlignmentProgress>();
        run.Fit(
            $"{folder}", change: options => options with { Memory = s_scaled, Optimizer = options.Optimizer with { Steps = 4 } },
            control: RunCase.EachStep with { Progress = new Reported(steps.Add) });
        Assert.That(steps.Select(step => (step.Step, step.Skipped)), Is.EqualTo(new[] { (4, false) }));
    }

    /// <summary>Denoiser and decoder in float16: whatever scale the gradients bear, it is found, and no factor leaves the finite numbers on the way.</summary>
    [TestCase("RewardGradient")]
    [TestCase("Ddpo")]
    [TestCase("DiffusionDpo")]
    public void ARunInFloat16Learns(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = TinyModel.Load();
        using LoraAdapters adapters = TinyModel.Adapt(model);
        var memory = new MemoryOptions { Precision = ComputePrecision.Float16 };
        TrainerSettings settings = TinyModel.Settings(steps: name == "DiffusionDpo" ? 10 : 3) with { Memory = memory };
        TrainingRun run = settings.Run(model, TinyModel.Redness());
        AlignmentAlgorithm algorithm = name switch
        {
            "Ddpo" => AlignmentAlgorithm.Ddpo(new() { PerPromptAdvantages = false }),
            "DiffusionDpo" => AlignmentAlgorithm.DiffusionDpo(),
            _ => AlignmentAlgorithm.RewardGradient(),
        };
        using IDisposable context = RunContext.Begin(DeviceType.CPU, run.Precision);
        using AlignmentTrainer trainer = algorithm.Definition.CreateTrainer(run, adapters);
        IReadOnlyDictionary<string, Tensor> start = adapters.StateDict();
        var steps = new List<TrainingStep>();
        trainer.Train(s_prompts, steps.Add);
        TestContext.Out.WriteLine(string.Join(", ", steps.Select(step => step.Update.GradientNorm)));
        Assert.That(steps.Where(step => !step.Update.Skipped).Select(step => step.Update.GradientNorm), Has.Some.GreaterThan(0));
        Assert.That(adapters.StateDict().All(pair => pair.Value.isfinite().all().ToBoolean()));
        Assert.That(adapters.StateDict().Any(pair => !pair.Value.equal(start[pair.Key]).all().ToBoolean()));
    }

    /// <summary>Frames go through float16, in both directions; their gradient is the slope times the scale for every pixel.</summary>
    private static VideoReward Steep(double slope) => VideoRewards.Custom("steep", (frames, _) =>
        (frames.to_type(ScalarType.Float16).to_type(ScalarType.Float32) * slope).sum([1, 2, 3, 4]));

    private static VideoReward Infinite() => VideoRewards.Custom("infinite", (frames, _) => frames.mean([1, 2, 3, 4]) * double.PositiveInfinity);
}
