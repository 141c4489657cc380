using Microsoft.ML.Runtime;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>What is asked for and changes nothing is said in the log.</summary>
public class IneffectiveOptionsTests
{
    private static IEnumerable<TestCaseData> Sampling() => new (VideoAlignmentOptions Options, string Said)[]
    {
        (new() { NegativePrompt = "blurry", GuidanceScale = 1 }, "NegativePrompt 'blurry' has no effect: guidance does not act at GuidanceScale 1"),
        (new() { MinGuidanceScale = 1, GuidanceScale = 0.5 }, "MinGuidanceScale 1 has no effect"),
        (new() { Eta = 0.5, Sampler = "DPMSolverMultistepScheduler" }, "Eta 0.5 has no effect: DPMSolverMultistepScheduler"),
        (new() { Eta = 1, Sampler = "EulerDiscreteScheduler" }, "Eta 1 has no effect"),
        (new() { FramesPerSecond = 24 }, "FramesPerSecond 24 has no effect: a Tiny model"),
        (new() { MotionBucketId = 30 }, "MotionBucketId 30 has no effect"),
        (new() { NoiseAugmentation = 0.5 }, "NoiseAugmentation 0.5 has no effect"),
    }.Select(row => new TestCaseData(row.Options, row.Said).SetName($"{{m}}({row.Said.Split(' ')[0]} {row.Options.Sampler})"));

    private static IEnumerable<TestCaseData> Training() => new (VideoAlignmentOptions Options, string Said)[]
    {
        (new() { HeldOutEvery = 2 }, "HeldOutEvery 2 has no effect: there are no HeldOutPrompts"),
        (new() { HeldOutPrompts = ["unseen"], HeldOutEvery = 1, EarlyStopPatience = 3 },
            "EarlyStopPatience 3 has no effect: a run of 3 steps has 3 measurements"),
        (new() { CheckpointEvery = 2 }, "CheckpointEvery 2 has no effect: there is no CheckpointFolder"),
        (new() { CheckpointFolder = "nowhere", CheckpointEvery = 4 }, "CheckpointFolder 'nowhere' has no effect: a run of 3 steps"),
        (new() { LoraPattern = ".*", LoraLayers = LoraLayers.AttentionQkv }, "LoraLayers AttentionQkv has no effect: LoraPattern"),
        (new() { CarryGradientAcrossSegments = true }, "CarryGradientAcrossSegments True has no effect"),
        (new() { FramesPerDecode = 2, RewardFrames = RewardFrames.All }, "FramesPerDecode 2 has no effect: the reward is shown 2 frames"),
        (new() { RewardLatentFrames = true }, "RewardLatentFrames True has no effect"),
        (new() { OffloadActivations = true }, "OffloadActivations True has no effect: training is on the CPU"),
        (new() { OffloadIdleNetworks = true }, "OffloadIdleNetworks True has no effect: training is on the CPU"),
        (new() { EmaDecay = 0 }, "EmaDecay 0 has no effect"),
        (new() { LoraRank = int.MaxValue, LoraAlpha = 16 },
            "LoraRank 2147483647 has no effect beyond the size of the 2 layers (4), to which it is clipped; the scale stays LoraAlpha / LoraRank, 7.45E-09"),
        (new() { LoraRank = 5, LoraAlpha = 10, LoraPattern = ".*" },
            "LoraRank 5 has no effect beyond the size of the 2 layers (4), which is all that they can use; the scale stays LoraAlpha / LoraRank, 2."),
        (new() { Algorithm = AlignmentAlgorithm.Ddpo(), Loss = RewardLoss.Maximize(3) }, "Loss"),
        (new() { Algorithm = AlignmentAlgorithm.Ddpo(new DdpoOptions { PerPromptAdvantages = false, AdvantageBuffer = 4 }) },
            "DdpoOptions.AdvantageBuffer 4 has no effect"),
        (new() { Algorithm = AlignmentAlgorithm.Ddpo(new DdpoOptions { PerPromptAdvantages = false, AdvantageMinimum = 4 }) },
            "DdpoOptions.AdvantageMinimum 4 has no effect"),
    }.Select(row => new TestCaseData(row.Options, row.Said).SetName($"{{m}}({row.Said.Split(' ')[0]} {row.Options.LoraRank})"));

    [TestCaseSource(nameof(Sampling))]
    public void GeneratingSaysWhatOfTheSamplingChangesNothing(VideoAlignmentOptions options, string said)
    {
        var rig = new DoorRig();
        var messages = rig.Listen();
        rig.Context.Transforms.GenerateVideo("Video", "Prompt", rig.Model, options).Fit(rig.Prompts);
        Assert.That(Warnings(messages), Has.Length.EqualTo(1).And.Some.Contains(said));
    }

    [TestCaseSource(nameof(Sampling))]
    [TestCaseSource(nameof(Training))]
    public void AligningSaysWhatChangesNothing(VideoAlignmentOptions options, string said)
    {
        var rig = new DoorRig();
        var messages = rig.Listen();
        int rank = options.LoraRank == new VideoAlignmentOptions().LoraRank ? DoorRig.ThreeSteps.LoraRank : options.LoraRank;
        rig.Estimator(options with { Steps = 3, LoraRank = rank, LearningRate = 0.05 }).Fit(rig.Prompts);
        Assert.That(Warnings(messages), Has.Length.EqualTo(1).And.Some.Contains(said));
    }

    [Test]
    public void WhatActsIsNotSpokenOf()
    {
        var rig = new DoorRig();
        var messages = rig.Listen();
        rig.Estimator(DoorRig.ThreeSteps with
        {
            NegativePrompt = "blurry",
            GuidanceScale = 2,
            MinGuidanceScale = 1,
            Eta = 1,
            HeldOutPrompts = ["unseen"],
            HeldOutEvery = 1,
            EarlyStopPatience = 2,
            KeepBest = true,
            EmaDecay = 0.5,
            FramesPerDecode = 1,
            RewardFrames = RewardFrames.All,
        }).Fit(rig.Prompts);
        Assert.That(Warnings(messages), Is.Empty);
    }

    private static string[] Warnings(List<(ChannelMessageKind Kind, string Text)> messages) =>
        [.. messages.Where(message => message.Kind == ChannelMessageKind.Warning && message.Text.Contains("has no effect", StringComparison.Ordinal))
            .Select(message => message.Text)];
}
