using System.Reflection;
using Microsoft.ML.VideoAlignment.Runs;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>What is said, and what is refused, where a run goes on with something else than it was begun with.</summary>
public class RunFingerprintTests
{
    private static readonly RunCase s_run = RunCase.Named("last-step kept");
    private TemporaryFolder _folder = null!;

    [SetUp]
    public void MakeFolder() => _folder = new TemporaryFolder();

    [TearDown]
    public void RemoveFolder() => _folder.Dispose();

    private static IEnumerable<TestCaseData> Breaking() =>
    [
        Case(options => options with { Lora = options.Lora with { Rank = 3 } }, "LoRA: Rank was 2 and is 3"),
        Case(options => options with { Lora = options.Lora with { Alpha = 4 } }, "LoRA: Alpha was 8 and is 4"),
        Case(options => options with { Lora = options.Lora with { Pattern = "to_q" } }, "LoRA: Layers was 2 by all layers"),
        Case(options => options with { Optimizer = options.Optimizer with { State = OptimizerState.EightBit } },
            "optimizer: State was Full and is EightBit"),
        Case(options => options with { Algorithm = AlignmentAlgorithm.Ddpo() }, "algorithm: Algorithm was 'RewardGradient' and is 'Ddpo'"),
    ];

    [TestCaseSource(nameof(Breaking))]
    public void WhatMakesTheWeightsMeaninglessIsRefused(Func<VideoAlignmentOptions, VideoAlignmentOptions> change, string told)
    {
        Begin();
        string[] before = [.. Directory.GetFiles(_folder.ToString()).Order(StringComparer.Ordinal)];
        Assert.That(
            () => s_run.Fit(_folder.ToString(), change: change),
            Throws.TypeOf<RunFolderException>().With.Message.Contains(told).And.Message.Contains("Name another RunFolder, or delete this one"));
        Assert.That(Directory.GetFiles(_folder.ToString()).Order(StringComparer.Ordinal), Is.EqualTo(before));
    }

    [Test]
    public void AnotherModelIsRefused()
    {
        Begin();
        Assert.That(
            () => s_run.Fit(_folder.ToString(), model: new TinyVideoModel(hash: "cd34")),
            Throws.TypeOf<RunFolderException>().With.Message.Contains("model: Weights was 'ab12' and is 'cd34'"));
        Assert.That(() => s_run.Fit(_folder.ToString(), model: new TinyVideoModel(source: "elsewhere")), Throws.Nothing, "the same weights in another place");
    }

    private static IEnumerable<TestCaseData> Differing() =>
    [
        Case(options => options with { Optimizer = options.Optimizer with { LearningRate = 0.01 } }, "optimizer", "LearningRate was 0.05 and is 0.01"),
        Case(options => options with { Optimizer = options.Optimizer with { Schedule = LearningRateSchedule.Constant(2) } }, "optimizer",
            "Schedule was 'constant' and is 'constant after 2 steps of warm-up'"),
        Case(options => options with { Optimizer = options.Optimizer with { BatchSize = 1 } }, "optimizer", "BatchSize was 2 and is 1"),
        Case(options => options with { Optimizer = options.Optimizer with { EmaDecay = null } }, "optimizer", "EmaDecay was 0.5 and is none"),
        Case(options => options with { Algorithm = AlignmentAlgorithm.RewardGradient(new() { Window = GradientWindow.Steps(1, 2) }) }, "algorithm",
            "WithGradient = [1, 2]"),
        Case(options => options with { Reward = options.Reward with { Loss = RewardLoss.Minimize() } }, "options", "form = Fall"),
        Case(options => options with { Sampling = options.Sampling with { Steps = 5 } }, "sampling", "Steps was 4 and is 5"),
        Case(options => options with { Seed = 4 }, "sampling", "Seed was 3 and is 4"),
        Case(options => options with { Validation = options.Validation with { Prompts = ["a cow"] } }, "validation data", "Prompts was 3 rows"),
    ];

    [TestCaseSource(nameof(Differing))]
    public void WhatMerelyDiffersIsToldInOneLineOfItsKind(Func<VideoAlignmentOptions, VideoAlignmentOptions> change, string kind, string told)
    {
        Begin();
        var log = new List<string>();
        s_run.Fit(_folder.ToString(), change: change, log: log);
        Assert.That(
            log.Where(line => line.Contains("changed since", StringComparison.Ordinal)),
            Has.Exactly(1).Items.And.One.Contains($"{kind} changed since step 2").And.One.Contains(told));
        log.Clear();
        s_run.Fit(_folder.ToString(), change: options => change(options) with { Optimizer = change(options).Optimizer with { Steps = 7 } }, log: log);
        Assert.That(log, Has.None.Contains("changed since"), "states are written with what the run goes on with");
    }

    /// <summary>Where the rate falls to the end of the run, a longer run has other rates from the step on where it goes on.</summary>
    [Test]
    public void MoreStepsOfADecayAreTold()
    {
        OptimizerOptions Falling(VideoAlignmentOptions options, int steps) =>
            options.Optimizer with { Schedule = LearningRateSchedule.Linear(), Steps = steps };
        var log = new List<string>();
        s_run.Fit(_folder.ToString(), change: options => options with { Optimizer = Falling(options, 2) });
        s_run.Fit(_folder.ToString(), change: options => options with { Optimizer = Falling(options, 3) }, log: log);
        Assert.That(log, Has.One.Contains("optimizer changed since step 2: Schedule was 'linear, to step 2' and is 'linear, to step 3'"));
    }

    [Test]
    public void OtherPromptsAndAnotherRewardAreTold()
    {
        Begin();
        var log = new List<string>();
        s_run.Fit(
            _folder.ToString(), VideoRewards.Custom("other", (frames, _) => frames.mean([1, 2, 3, 4])), prompts: ["a red circle", "a blue square"], log: log);
        string[] told = [.. log.Where(line => line.Contains("changed since", StringComparison.Ordinal))];
        Assert.That(told, Has.Exactly(2).Items);
        Assert.That(told, Has.One.Contains("data changed since step 2: Prompts was 5 rows")
            .And.One.Contains("reward changed since step 2: Name was 'brightness' and is 'other'"));
    }

    [Test]
    public void NothingIsToldWhereNothingDiffers()
    {
        Begin();
        var log = new List<string>();
        s_run.Fit(_folder.ToString(), log: log, change: options => options with { Optimizer = options.Optimizer with { Steps = 7 } },
            control: RunCase.EachStep with { StateEvery = 3, CheckpointFolder = _folder.Path("checkpoints") });
        Assert.That(log, Has.None.Contains("changed since"));
    }

    /// <summary>A higher number under another reward is not better: the first measurement under the new one counts, whatever it is.</summary>
    [Test]
    public void WhatWasBestUnderAnotherRewardDoesNotStandInTheWay()
    {
        VideoReward High() => VideoRewards.Custom("high", (frames, _) => frames.mean([1, 2, 3, 4]) + 1000);
        VideoAlignmentOptions Best(VideoAlignmentOptions options) => options with
        {
            Optimizer = options.Optimizer with { EmaDecay = null },
            Validation = options.Validation with { EarlyStopPatience = null, Every = 1 },
        };
        s_run.Fit(_folder.ToString(), High(), options => Best(options) with { Optimizer = Best(options).Optimizer with { Steps = 2 } });
        var steps = new List<VideoAlignmentProgress>();
        byte[] kept = s_run.Fit(_folder.ToString(), change: options => Best(options) with { Optimizer = Best(options).Optimizer with { Steps = 3 } },
            control: RunCase.EachStep with { Progress = new Reported(steps.Add) });
        Assert.That(steps.Single().ValidationReward, Is.LessThan(1));
        Assert.That(
            kept, Is.EqualTo(s_run.Fit(_folder.ToString(), change: options => Best(options) with
            {
                Optimizer = Best(options).Optimizer with { Steps = 3 },
                Validation = Best(options).Validation with { KeepBest = false },
            })),
            "step 3 is the best that compares");
    }

    /// <summary>A new option must be compared, or be named here with a reason.</summary>
    [Test]
    public void EveryOptionIsComparedOrChangesNoNumber()
    {
        string[] changesNoNumber =
        [
            "Optimizer.Steps" /* may grow */, "Memory.Recompute", "Memory.OffloadActivations", "Memory.OffloadIdleNetworks", "Memory.Tiling",
            "Memory.StreamWeights",
            "Memory.Budget" /* the same numbers in other memory */, "Sampling.SeedColumnName", "Sampling.ImageColumnName", "IncludeBaseModel",
        ];
        string[] byOthers =
        [
            "Sampling.Frames", "Sampling.Height", "Sampling.Width" /* sampling: Size */, "Reward.LatentFrames" /* sampling: RewardLatentFrames */,
            "Lora.Layers", "Lora.Pattern" /* LoRA: Layers */, "Validation.Prompts", "Validation.Data" /* validation data */,
        ];
        using var folder = new TemporaryFolder();
        s_run.Fit(folder.ToString(), change: options => options with { Optimizer = options.Optimizer with { Steps = 1 } });
        using var state = RunState.Open(Directory.GetFiles(folder.ToString(), "state-*").Single());
        string[] compared =
        [
            .. state.Facts.Keys.Select(fact => fact.Kind switch
            {
                "LoRA" => $"Lora.{fact.Name}",
                "optimizer" => $"Optimizer.{fact.Name}",
                "sampling" when fact.Name != "Seed" => $"Sampling.{fact.Name}",
                _ => fact.Name,
            }),
        ];
        string[] all =
        [
            .. Named(typeof(VideoAlignmentOptions)).SelectMany(option => Named(option.PropertyType) is { Length: > 0 } inner && option.Name != "Algorithm"
                ? inner.Select(property => $"{option.Name}.{property.Name}")
                : [option.Name]),
        ];
        Assert.That(all, Does.Contain("Lora.Rank").And.Contain("Optimizer.Beta1").And.Contain("Seed"));
        Assert.That(all.Except(compared).Except(changesNoNumber).Except(byOthers), Is.Empty);
        Assert.That(changesNoNumber.Concat(byOthers).Except(all), Is.Empty, "an option that is no more");
        Assert.That(Named(typeof(RewardGradientOptions)).Select(property => property.Name).Except(compared), Is.Empty, "the algorithm's own");

        static PropertyInfo[] Named(Type record) => record.Namespace == typeof(VideoAlignmentOptions).Namespace && !record.IsEnum
            ? record.GetProperties(BindingFlags.Public | BindingFlags.Instance)
            : [];
    }

    private static TestCaseData Case(Func<VideoAlignmentOptions, VideoAlignmentOptions> change, params string[] told) =>
        new TestCaseData([change, .. told]).SetArgDisplayNames(told);

    /// <summary>Two steps of the run.</summary>
    private void Begin() => s_run.Fit(_folder.ToString(), change: options => options with { Optimizer = options.Optimizer with { Steps = 2 } });
}
