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
        Case(options => options with { LoraRank = 3 }, "LoRA: LoraRank was 2 and is 3"),
        Case(options => options with { LoraAlpha = 4 }, "LoRA: LoraAlpha was 8 and is 4"),
        Case(options => options with { LoraPattern = "to_q" }, "LoRA: Layers was 2 by all layers"),
        Case(options => options with { OptimizerState = OptimizerState.EightBit }, "optimizer: OptimizerState was Full and is EightBit"),
        Case(options => options with { Algorithm = AlignmentAlgorithm.Ddpo() }, "algorithm: Algorithm was 'Gradient' and is 'Policy'"),
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
        Case(options => options with { LearningRate = 0.01 }, "optimizer", "LearningRate was 0.05 and is 0.01"),
        Case(options => options with { BatchSize = 1 }, "options", "BatchSize was 2 and is 1"),
        Case(options => options with { EmaDecay = null }, "options", "EmaDecay was 0.5 and is none"),
        Case(options => options with { GradientWindow = GradientWindow.Steps(1, 2) }, "options", "WithGradient = [1, 2]"),
        Case(options => options with { Loss = RewardLoss.Minimize() }, "options", "form = Fall"),
        Case(options => options with { InferenceSteps = 5 }, "sampling", "Steps was 4 and is 5"),
        Case(options => options with { Seed = 4 }, "sampling", "Seed was 3 and is 4"),
        Case(options => options with { HeldOutPrompts = ["a cow"] }, "held-out data", "Prompts was 3 rows"),
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
        s_run.Fit(_folder.ToString(), change: options => change(options) with { Steps = 7 }, log: log);
        Assert.That(log, Has.None.Contains("changed since"), "states are written with what the run goes on with");
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
        s_run.Fit(_folder.ToString(), log: log, change: options => options with { Steps = 7, StateEvery = 3, CheckpointFolder = _folder.Path("checkpoints") });
        Assert.That(log, Has.None.Contains("changed since"));
    }

    /// <summary>A higher number under another reward is not better: the first measurement under the new one counts, whatever it is.</summary>
    [Test]
    public void WhatWasBestUnderAnotherRewardDoesNotStandInTheWay()
    {
        VideoReward High() => VideoRewards.Custom("high", (frames, _) => frames.mean([1, 2, 3, 4]) + 1000);
        VideoAlignmentOptions Best(VideoAlignmentOptions options) => options with { EarlyStopPatience = null, EmaDecay = null, HeldOutEvery = 1 };
        s_run.Fit(_folder.ToString(), High(), options => Best(options) with { Steps = 2 });
        var steps = new List<VideoAlignmentProgress>();
        byte[] kept = s_run.Fit(_folder.ToString(), change: options => Best(options) with { Steps = 3, Progress = new Reported(steps.Add) });
        Assert.That(steps.Single().ValidationReward, Is.LessThan(1));
        Assert.That(
            kept, Is.EqualTo(s_run.Fit(_folder.ToString(), change: options => Best(options) with { Steps = 3, KeepBest = false })),
            "step 3 is the best that compares");
    }

    /// <summary>A new option must be compared, or be named here with a reason.</summary>
    [Test]
    public void EveryOptionIsComparedOrChangesNoNumber()
    {
        string[] changesNoNumber =
        [
            "Steps" /* may grow */, "Recompute", "OffloadActivations", "OffloadIdleNetworks", "MemoryBudget" /* the same numbers in other memory */,
            "CheckpointFolder", "CheckpointEvery", "RunFolder", "StateEvery", "SeedColumnName", "ImageColumnName", "IncludeBaseModel", "Progress",
            "CancellationToken",
        ];
        string[] byOthers =
        [
            "Frames", "Height", "Width" /* sampling: Size */, "InferenceSteps", "Sampler", "RewardLatentFrames" /* sampling, by other names */,
            "LoraLayers", "LoraPattern" /* Layers */, "GradientSteps" /* GradientWindow */, "HeldOutPrompts", "HeldOutData" /* validation data */,
        ];
        using var folder = new TemporaryFolder();
        s_run.Fit(folder.ToString(), change: options => options with { Steps = 1 });
        using var state = RunState.Open(Directory.GetFiles(folder.ToString(), "state-*").Single());
        string[] compared = [.. state.Facts.Keys.Select(fact => fact.Name.Split('.')[0])];
        IEnumerable<string> all = typeof(VideoAlignmentOptions).GetProperties(BindingFlags.Public | BindingFlags.Instance).Select(property => property.Name);
        Assert.That(all.Except(compared).Except(changesNoNumber).Except(byOthers), Is.Empty);
        Assert.That(changesNoNumber.Concat(byOthers).Except(all), Is.Empty, "an option that is no more");
    }

    private static TestCaseData Case(Func<VideoAlignmentOptions, VideoAlignmentOptions> change, params string[] told) =>
        new TestCaseData([change, .. told]).SetArgDisplayNames(told);

    /// <summary>Two steps of the run.</summary>
    private void Begin() => s_run.Fit(_folder.ToString(), change: options => options with { Steps = 2 });
}
