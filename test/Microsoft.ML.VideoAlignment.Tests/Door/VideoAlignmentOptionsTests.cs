using System.Text.Json.Nodes;
using Microsoft.ML.VideoAlignment.Lora;

namespace Microsoft.ML.VideoAlignment.Tests;

public class VideoAlignmentOptionsTests
{
    [Test]
    public void DefaultsAreInOrder() => Assert.That(new VideoAlignmentOptions().Validate, Throws.Nothing);

    [Test]
    public void AllFaultsAreInOneMessage()
    {
        var options = new VideoAlignmentOptions
        {
            Sampling = new() { Frames = 0, Height = 6, GuidanceScale = double.NaN, SeedColumnName = "" },
            Optimizer = new() { LearningRate = -1, Beta2 = 1, MaxGradientNorm = double.NaN, Steps = 0 },
            Algorithm = AlignmentAlgorithm.RewardGradient(new() { GradientSteps = 0 }),
        };
        ArgumentException error = Assert.Throws<ArgumentException>(() => options.ValidateFor(new TinyVideoModel()))!;
        Assert.That(error.ParamName, Is.EqualTo("options"));
        foreach (string fault in new[]
        {
            "Frames must be at least 1, or null, got 0.", "Height must be a multiple of 4 for a Tiny model, got 6; try 4.",
            "GuidanceScale must be finite, or null, got NaN.",
            "LearningRate must be above 0, got -1.", "GradientSteps must be at least 1, got 0.", "Beta2 must be from 0 to below 1, got 1.",
            "MaxGradientNorm must be above 0; infinity switches clipping off, got NaN.", "Steps must be at least 1, got 0.",
            "SeedColumnName must be the name of a column, or null, got ''.",
        })
        {
            Assert.That(error.Message, Does.Contain(fault));
        }

        Assert.That(error.Message.Split("must be"), Has.Length.EqualTo(10));
    }

    [Test]
    public void WhatNeedsMeasurementsIsRefusedWithoutThem()
    {
        var options = new VideoAlignmentOptions
        {
            Optimizer = new() { EmaDecay = 1 },
            Algorithm = AlignmentAlgorithm.RewardGradient(new() { KlWeight = -1 }),
            Validation = new() { KeepBest = true, EarlyStopPatience = 2 },
        };
        Assert.That(options.Validate, Throws.ArgumentException.With.Message.Contains("KeepBest must be false without Prompts")
            .And.Message.Contains("EarlyStopPatience must be null without")
            .And.Message.Contains("EmaDecay must be from 0 to below 1").And.Message.Contains("KlWeight must be at least 0, got -1"));
        var control = new RunControl { CheckpointEvery = 0, StateEvery = 0, RunFolder = "" };
        Assert.That(() => new DoorRig().Estimator(control: control), Throws.ArgumentException.With.Message.Contains("CheckpointEvery must be at least 1, got 0")
            .And.Message.Contains("StateEvery must be at least 1, got 0").And.Message.Contains("RunFolder must be the path of a folder, or null, got ''"));
        Assert.That(() => new DoorRig().Estimator(control: new RunControl { RunFolder = "  ", CheckpointFolder = "a\0b" }), Throws.ArgumentException
            .With.Message.Contains("RunFolder must be the path of a folder, or null, got '  '").And.Message.Contains("CheckpointFolder must be the path"));
        Assert.That(new VideoAlignmentOptions { Validation = new() { KeepBest = true, EarlyStopPatience = 2, Prompts = ["one"] } }.Validate, Throws.Nothing);
    }

    [TestCase(nameof(VideoSamplingOptions.Sampler), "DDIMScheduler")]
    [TestCase(nameof(RewardGradientOptions.Window), "3 sampler steps")]
    [TestCase("RewardGradientOptions.GradientSteps: Gradient window", "3 sampler steps, got 9.")]
    [TestCase(nameof(LoraOptions.Pattern), "matches nothing")]
    [TestCase("Lora.Pattern: '['", "not a regular expression")]
    [TestCase("Lora.Layers", "matches nothing")]
    [TestCase(nameof(RewardOptions.Frames), "video of 2 frames")]
    [TestCase(nameof(VideoSamplingOptions.Steps), "1000")]
    public void WhatTheModelCannotDoIsRefused(string option, string said)
    {
        VideoAlignmentOptions options = option switch
        {
            nameof(VideoSamplingOptions.Sampler) => new() { Sampling = new() { Sampler = "Magic" } },
            nameof(RewardGradientOptions.Window) => RewardGradient(new() { Window = GradientWindow.LastSteps(9) }),
            "RewardGradientOptions.GradientSteps: Gradient window" => RewardGradient(new() { GradientSteps = 9 }),
            nameof(LoraOptions.Pattern) => new() { Lora = new() { Pattern = "nowhere" } },
            "Lora.Pattern: '['" => new() { Lora = new() { Pattern = "[" } },
            "Lora.Layers" => new() { Lora = new() { Layers = LoraLayers.AttentionQkv } },
            nameof(RewardOptions.Frames) => new() { Reward = new() { Frames = RewardFrames.Chosen(7) } },
            _ => new() { Sampling = new() { Steps = 2000 } },
        };
        Assert.That(() => options.ValidateFor(new TinyVideoModel()), Throws.TypeOf<ArgumentException>()
            .With.Message.Contains(option).And.Message.Contains(said).And.Message.Not.Contains("Actual value"));

        static VideoAlignmentOptions RewardGradient(RewardGradientOptions gradient) => new() { Algorithm = AlignmentAlgorithm.RewardGradient(gradient) };
    }

    /// <summary>A pattern that would try all ways to split a name ends in a sentence, in an option and in the settings of a file.</summary>
    [Test]
    public void APatternThatNeverEndsIsRefused()
    {
        const string Slow = "(([a-z_0-9.]+)+)+!";
        using VideoDiffusionModel model = TinyModel.Load();
        VideoAlignmentOptions options = new() { Lora = new() { Pattern = Slow } };
        Assert.That(() => options.ValidateFor(model), Throws.TypeOf<ArgumentException>().With.Message.Contains("Lora.Pattern: ")
            .And.Message.Contains("takes longer than a second"));
        var settings = LoraSettings.FromJson(new JsonObject { ["r"] = 2, ["rank_pattern"] = new JsonObject { [Slow] = 2 } }, "here");
        Assert.That(() => settings.GetScale("down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q", 2),
            Throws.TypeOf<WeightFileException>().With.Message.Contains("rank_pattern: ").And.Message.Contains("takes longer than a second"));
    }

    /// <summary>Every door names a record that was set to null, instead of falling over it.</summary>
    [Test]
    public void ARecordThatIsNullIsNamed([Values("Sampling", "Lora", "Optimizer", "Algorithm", "Reward", "Memory", "Validation")] string record)
    {
        var rig = new DoorRig();
        VideoAlignmentOptions options = new();
        typeof(VideoAlignmentOptions).GetProperty(record)!.SetValue(options, null);
        TransformsCatalog transforms = rig.Context.Transforms;
        foreach (Action door in new Action[]
        {
            options.Validate, () => options.ResolveFor(rig.Model),
            () => transforms.AlignVideoDiffusion("V", "Prompt", rig.Model, rig.Reward, options), () => rig.Model.Model.EstimateMemory(options),
            () => MemoryPlan.Create(rig.Model, options, 1), () => GradientCheck.Run(rig.Model, rig.Reward, options),
        })
        {
            Assert.That(() => door(), Throws.TypeOf<ArgumentException>().With.Message.Contains($"{record} must not be null"));
        }
    }

    [Test]
    public void PromptsThatAreNullAreNamed() =>
        Assert.That(new VideoAlignmentOptions { Validation = new() { Prompts = ["one", null!] } }.Validate,
            Throws.ArgumentException.With.Message.Contains("Validation.Prompts must be texts, got null at 1."));

    /// <summary>Records that hold lists are equal where the lists are.</summary>
    [Test]
    public void EqualChoicesAreEqualOptions()
    {
        static VideoAlignmentOptions Make(GradientWindow window, params int[] frames) => new()
        {
            Algorithm = AlignmentAlgorithm.RewardGradient(new() { Window = window }),
            Reward = new() { Frames = RewardFrames.Chosen(frames) },
        };
        VideoAlignmentOptions one = Make(GradientWindow.Steps(1, 2), 0, 1), tuned = Make(GradientWindow.DrTune([1, 2], 2), 0, 1);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Make(GradientWindow.Steps(1, 2), 0, 1), Is.EqualTo(one));
            Assert.That(Make(GradientWindow.Steps(1, 2), 0, 1).GetHashCode(), Is.EqualTo(one.GetHashCode()));
            Assert.That(Make(GradientWindow.DrTune([1, 2], 2), 0, 1), Is.EqualTo(tuned).And.Not.EqualTo(one));
            Assert.That(Make(GradientWindow.Steps(1, 3), 0, 1), Is.Not.EqualTo(one));
            Assert.That(Make(GradientWindow.Steps(1, 2), 0, 2), Is.Not.EqualTo(one));
        }
    }

    /// <summary>
    /// A column's values are counted by an Int32; the products here are beyond an Int32, an Int64 and wherever else they might have been made.
    /// </summary>
    [TestCase(100, 4000, 2000, 1)]
    [TestCase(int.MaxValue, 4, 8, 1)]
    [TestCase(int.MaxValue, int.MaxValue - 3, int.MaxValue - 3, 1)]
    [TestCase(2, 4, 8, 1 << 25)]
    [TestCase(2, 4, 8, int.MaxValue)]
    public void AVideoThatNoColumnHoldsIsRefusedAtOnce(int frames, int height, int width, int segments)
    {
        VideoAlignmentOptions options = new()
        {
            Sampling = new()
            {
                Frames = frames,
                Height = height,
                Width = width,
                SegmentCount = segments,
                ImageColumnName = segments > 1 ? "Image" : null,
            },
        };
        var rig = new DoorRig { Model = new TinyVideoModel(readsImages: segments > 1) };
        Assert.That(
            () => rig.Estimator(options),
            Throws.ArgumentException.With.Message.Contains($"{frames} x {height} x {width}").And.Message.Contains("that is the limit of a column")
                .And.Message.Contains("shorter or smaller"));
        Assert.That(() => rig.Context.Transforms.GenerateVideo("Video", "Prompt", rig.Model, options.Sampling),
            Throws.ArgumentException.With.Message.Contains("that is the limit of a column"));
    }

    [Test]
    public void AStepOfMoreVideosThanCanBeCountedIsRefused()
    {
        var options = new VideoAlignmentOptions { Optimizer = new() { BatchSize = 1 << 20, AccumulationSteps = 1 << 20 } };
        Assert.That(options.Validate, Throws.ArgumentException.With.Message.Contains("AccumulationSteps must be at most"));
        Assert.That((options with { Algorithm = AlignmentAlgorithm.Ddpo() }).Validate,
            Throws.ArgumentException.With.Message.Contains("AccumulationSteps must be at most"));
        var many = new DiffusionDpoOptions { PairsPerRollout = 1 << 20, CandidatesPerPrompt = 1 << 20 };
        Assert.That(new VideoAlignmentOptions { Algorithm = AlignmentAlgorithm.DiffusionDpo(many) }.Validate,
            Throws.ArgumentException.With.Message.Contains("CandidatesPerPrompt"));
    }

    [Test]
    public void WhatTheModelDecidesIsFilledInAndNothingElse()
    {
        var options = new VideoAlignmentOptions
        {
            Optimizer = new() { LearningRate = 0.25 },
            Algorithm = AlignmentAlgorithm.RewardGradient(new() { GradientSteps = 2 }),
        };
        VideoAlignmentOptions resolved = options.ResolveFor(new TinyVideoModel());
        VideoSamplingOptions sampling = resolved.Sampling;
        Assert.That((sampling.Frames, sampling.Height, sampling.Width, sampling.Steps, sampling.GuidanceScale, sampling.Eta),
            Is.EqualTo((2, 4, 8, 3, 2.0, 0.0)));
        Assert.That(resolved.Algorithm, Is.EqualTo(AlignmentAlgorithm.RewardGradient(new() { Window = GradientWindow.LastSteps(2) })));
        Assert.That(resolved.Reward.Frames, Is.EqualTo(RewardFrames.OneRandom));
        Assert.That((sampling.FramesPerSecond, sampling.MotionBucketId), Is.EqualTo(((double?)null, (double?)null)), "the model is not told them");
        Assert.That(resolved.ResolveFor(new TinyVideoModel()), Is.EqualTo(resolved));
        VideoAlignmentOptions chosen = options with
        {
            Sampling = options.Sampling with { Frames = 4, Steps = 9, GuidanceScale = 1 },
            Algorithm = AlignmentAlgorithm.RewardGradient(new() { GradientSteps = 1, Window = GradientWindow.SingleStep(1) }),
            Reward = options.Reward with { Frames = RewardFrames.All },
        };
        resolved = chosen.ResolveFor(new TinyVideoModel());
        Assert.That(resolved, Is.EqualTo(chosen with
        {
            Sampling = chosen.Sampling with { Height = 4, Width = 8, Eta = 0, MinGuidanceScale = resolved.Sampling.MinGuidanceScale },
        }), "what is set stands");
        Assert.That(() => new VideoAlignmentOptions { Sampling = new() { Width = 10 } }.ResolveFor(new TinyVideoModel()),
            Throws.ArgumentException.With.Message.Contains("Width must be a multiple of 4"));
    }

    /// <summary>The same run, whether the model decides or the options repeat what it decides.</summary>
    [Test]
    public void FittingWithResolvedOptionsIsFittingWithTheOptions()
    {
        var rig = new DoorRig();
        float[][] Videos(VideoAlignmentOptions options) => EstimatorContract.Values(rig.Estimator(options).Fit(rig.Prompts).Transform(rig.Prompts));
        Assert.That(Videos(DoorRig.ThreeSteps.ResolveFor(rig.Model, rig.Reward)), Is.EqualTo(Videos(DoorRig.ThreeSteps)));
    }

    [Test]
    public void EveryOptionIsDocumentedAndInitOnly()
    {
        foreach (var property in typeof(VideoAlignmentOptions).GetProperties())
        {
            Assert.That(property.SetMethod!.ReturnParameter.GetRequiredCustomModifiers(), Does.Contain(typeof(System.Runtime.CompilerServices.IsExternalInit)),
                property.Name);
        }
    }
}
