using Microsoft.ML.Runtime;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>What is asked for and changes nothing is said in the log.</summary>
public class IneffectiveOptionsTests
{
    private static IEnumerable<TestCaseData> Sampling() => new (VideoAlignmentOptions Options, string Said)[]
    {
        (new() { Sampling = new() { NegativePrompt = "blurry", GuidanceScale = 1 } },
            "NegativePrompt 'blurry' has no effect: guidance does not act at Sampling.GuidanceScale 1"),
        (new() { Sampling = new() { MinGuidanceScale = 1, GuidanceScale = 0.5 } }, "MinGuidanceScale 1 has no effect"),
        (new() { Sampling = new() { Eta = 0.5, Sampler = "DPMSolverMultistepScheduler" } }, "Eta 0.5 has no effect: DPMSolverMultistepScheduler"),
        (new() { Sampling = new() { Eta = 1, Sampler = "EulerDiscreteScheduler" } }, "Eta 1 has no effect"),
        (new() { Sampling = new() { FramesPerSecond = 24 } }, "FramesPerSecond 24 has no effect: a Tiny model"),
        (new() { Sampling = new() { MotionBucketId = 30 } }, "MotionBucketId 30 has no effect"),
        (new() { Sampling = new() { NoiseAugmentation = 0.5 } }, "NoiseAugmentation 0.5 has no effect"),
    }.Select(row => new TestCaseData(row.Options, row.Said).SetName($"{{m}}({row.Said.Split(' ')[0]} {row.Options.Sampling.Sampler})"));

    private static IEnumerable<TestCaseData> Training() => new (VideoAlignmentOptions Options, string Said)[]
    {
        (new() { Validation = new() { Every = 2 } }, "Validation.Every 2 has no effect: there are no Validation.Prompts and no Validation.Data"),
        (new() { Validation = new() { Prompts = ["unseen"], Every = 1, EarlyStopPatience = 3 } },
            "Validation.EarlyStopPatience 3 has no effect: a run of 3 steps has 3 measurements"),
        (new() { Lora = new() { Pattern = ".*", Layers = LoraLayers.AttentionQkv } }, "Lora.Layers AttentionQkv has no effect: Lora.Pattern"),
        (new() { Algorithm = AlignmentAlgorithm.RewardGradient(new() { CarryGradientAcrossSegments = true }) },
            "RewardGradientOptions.CarryGradientAcrossSegments True has no effect"),
        (new() { Reward = new() { Frames = RewardFrames.All }, Memory = new() { FramesPerDecode = 2 } },
            "Memory.FramesPerDecode 2 has no effect: the reward is shown 2 frames"),
        (new() { Reward = new() { LatentFrames = true } }, "Reward.LatentFrames True has no effect"),
        (new() { Memory = new() { TensorFloat32 = true } }, "Memory.TensorFloat32 True has no effect: training is on the CPU"),
        (new() { Memory = new() { OffloadActivations = true } }, "Memory.OffloadActivations True has no effect: training is on the CPU"),
        (new() { Memory = new() { OffloadIdleNetworks = true } }, "Memory.OffloadIdleNetworks True has no effect: training is on the CPU"),
        (new() { Memory = new() { StreamWeights = true } }, "Memory.StreamWeights True has no effect: training is on the CPU"),
        (new() { Optimizer = new() { EmaDecay = 0 } }, "Optimizer.EmaDecay 0 has no effect"),
        (new() { Lora = new() { Rank = int.MaxValue, Alpha = 16 } },
            "Lora.Rank 2147483647 has no effect beyond the size of the 2 layers (4), to which it is clipped; the scale stays Alpha / Rank, 7.45E-09"),
        (new() { Lora = new() { Rank = 5, Alpha = 10, Pattern = ".*" } },
            "Lora.Rank 5 has no effect beyond the size of the 2 layers (4), which is all that they can use; the scale stays Alpha / Rank, 2."),
        (new() { Reward = new() { Loss = RewardLoss.Maximize(3) }, Algorithm = AlignmentAlgorithm.Ddpo() }, "Loss"),
        (new() { Algorithm = AlignmentAlgorithm.Ddpo(new DdpoOptions { PerPromptAdvantages = false, AdvantageBuffer = 4 }) },
            "DdpoOptions.AdvantageBuffer 4 has no effect"),
        (new() { Algorithm = AlignmentAlgorithm.Ddpo(new DdpoOptions { PerPromptAdvantages = false, AdvantageMinimum = 4 }) },
            "DdpoOptions.AdvantageMinimum 4 has no effect"),
        (new() { Algorithm = AlignmentAlgorithm.Ddpo(new DdpoOptions { AdvantageBuffer = 8 }) },
            "DdpoOptions.PerPromptAdvantages True has no effect: AdvantageBuffer 8 never holds the AdvantageMinimum of 16"),
    }.Select(row => new TestCaseData(row.Options, row.Said).SetName($"{{m}}({row.Said.Split(' ')[0]} {row.Options.Lora.Rank})"));

    [TestCaseSource(nameof(Sampling))]
    public void GeneratingSaysWhatOfTheSamplingChangesNothing(VideoAlignmentOptions options, string said)
    {
        var rig = new DoorRig();
        var messages = rig.Listen();
        rig.Context.Transforms.GenerateVideo("Video", "Prompt", rig.Model, options.Sampling, includeBaseModel: options.IncludeBaseModel).Fit(rig.Prompts);
        Assert.That(Warnings(messages), Has.Length.EqualTo(1).And.Some.Contains(said));
    }

    [TestCase(null, 2, "CheckpointEvery 2 has no effect: there is no CheckpointFolder")]
    [TestCase("checkpoints", 4, "' has no effect: a run of 3 steps ends before the first file (CheckpointEvery 4)")]
    public void AligningSaysWhichCheckpointsAreNotWritten(string? folder, int every, string said)
    {
        using var temporary = new TemporaryFolder();
        var rig = new DoorRig();
        var messages = rig.Listen();
        var control = new RunControl { CheckpointFolder = folder is null ? null : temporary.Path(folder), CheckpointEvery = every };
        rig.Estimator(DoorRig.ThreeSteps, control).Fit(rig.Prompts);
        Assert.That(Warnings(messages), Has.Length.EqualTo(1).And.Some.Contains(said));
    }

    [Test]
    public void AligningSaysThatStatesHaveNoFolder()
    {
        var rig = new DoorRig();
        var messages = rig.Listen();
        rig.Estimator(DoorRig.ThreeSteps, new RunControl { StateEvery = 2 }).Fit(rig.Prompts);
        Assert.That(Warnings(messages), Has.Length.EqualTo(1).And.Some.Contains("StateEvery 2 has no effect: there is no RunFolder"));
    }

    [TestCaseSource(nameof(Sampling))]
    [TestCaseSource(nameof(Training))]
    public void AligningSaysWhatChangesNothing(VideoAlignmentOptions options, string said)
    {
        var rig = new DoorRig();
        var messages = rig.Listen();
        int rank = options.Lora.Rank == new VideoAlignmentOptions().Lora.Rank ? DoorRig.ThreeSteps.Lora.Rank : options.Lora.Rank;
        rig.Estimator(options with { Lora = options.Lora with { Rank = rank }, Optimizer = options.Optimizer with { Steps = 3, LearningRate = 0.05 } })
            .Fit(rig.Prompts);
        Assert.That(Warnings(messages), Has.Length.EqualTo(1).And.Some.Contains(said));
    }

    [Test]
    public void WhatActsIsNotSpokenOf()
    {
        var rig = new DoorRig();
        var messages = rig.Listen();
        rig.Estimator(DoorRig.ThreeSteps with
        {
            Sampling = DoorRig.ThreeSteps.Sampling with { NegativePrompt = "blurry", GuidanceScale = 2, MinGuidanceScale = 1, Eta = 1 },
            Optimizer = DoorRig.ThreeSteps.Optimizer with { EmaDecay = 0.5 },
            Reward = DoorRig.ThreeSteps.Reward with { Frames = RewardFrames.All },
            Memory = DoorRig.ThreeSteps.Memory with { FramesPerDecode = 1 },
            Validation = DoorRig.ThreeSteps.Validation with { Prompts = ["unseen"], Every = 1, EarlyStopPatience = 2, KeepBest = true },
        }).Fit(rig.Prompts);
        Assert.That(Warnings(messages), Is.Empty);
    }

    private static string[] Warnings(List<(ChannelMessageKind Kind, string Text)> messages) =>
        [.. messages.Where(message => message.Kind == ChannelMessageKind.Warning && message.Text.Contains("has no effect", StringComparison.Ordinal))
            .Select(message => message.Text)];
}
