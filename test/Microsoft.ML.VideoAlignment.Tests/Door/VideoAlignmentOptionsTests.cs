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
            Frames = 0,
            Height = 6,
            GuidanceScale = double.NaN,
            LearningRate = -1,
            GradientSteps = 0,
            Beta2 = 1,
            MaxGradientNorm = double.NaN,
            Steps = 0,
            SeedColumnName = "",
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
        var options = new VideoAlignmentOptions { KeepBest = true, EarlyStopPatience = 2, EmaDecay = 1, KlWeight = -1, CheckpointEvery = 0 };
        Assert.That(options.Validate, Throws.ArgumentException.With.Message.Contains("KeepBest must be false without HeldOutPrompts")
            .And.Message.Contains("EarlyStopPatience must be null without")
            .And.Message.Contains("EmaDecay must be from 0 to below 1").And.Message.Contains("KlWeight must be at least 0, got -1")
            .And.Message.Contains("CheckpointEvery must be at least 1"));
        Assert.That(new VideoAlignmentOptions { KeepBest = true, EarlyStopPatience = 2, HeldOutPrompts = ["one"] }.Validate, Throws.Nothing);
    }

    [TestCase(nameof(VideoAlignmentOptions.Sampler), "DDIMScheduler")]
    [TestCase(nameof(VideoAlignmentOptions.GradientWindow), "3 sampler steps")]
    [TestCase(nameof(VideoAlignmentOptions.LoraLayers), "matches nothing")]
    [TestCase(nameof(VideoAlignmentOptions.RewardFrames), "video of 2 frames")]
    [TestCase(nameof(VideoAlignmentOptions.InferenceSteps), "1000")]
    public void WhatTheModelCannotDoIsRefused(string option, string said)
    {
        VideoAlignmentOptions options = option switch
        {
            nameof(VideoAlignmentOptions.Sampler) => new() { Sampler = "Magic" },
            nameof(VideoAlignmentOptions.GradientWindow) => new() { GradientSteps = 9 },
            nameof(VideoAlignmentOptions.LoraLayers) => new() { LoraPattern = "nowhere" },
            nameof(VideoAlignmentOptions.RewardFrames) => new() { RewardFrames = RewardFrames.Chosen(7) },
            _ => new() { InferenceSteps = 2000 },
        };
        Assert.That(() => options.ValidateFor(new TinyVideoModel()), Throws.ArgumentException.With.Message.Contains(option).And.Message.Contains(said));
        Assert.That(() => new VideoAlignmentOptions { LoraLayers = LoraLayers.AttentionQkv }.ValidateFor(new TinyVideoModel()), Throws.ArgumentException,
            "no to_k");
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
            Frames = frames,
            Height = height,
            Width = width,
            SegmentCount = segments,
            ImageColumnName = segments > 1
            ? "Image" : null
        };
        var rig = new DoorRig { Model = new TinyVideoModel(readsImages: segments > 1) };
        Assert.That(
            () => rig.Estimator(options),
            Throws.ArgumentException.With.Message.Contains($"{frames} x {height} x {width}").And.Message.Contains("that is the limit of a column")
                .And.Message.Contains("shorter or smaller"));
        Assert.That(() => rig.Context.Transforms.GenerateVideo("Video", "Prompt", rig.Model, options),
            Throws.ArgumentException.With.Message.Contains("that is the limit of a column"));
    }

    [Test]
    public void AStepOfMoreVideosThanCanBeCountedIsRefused()
    {
        var options = new VideoAlignmentOptions { BatchSize = 1 << 20, AccumulationSteps = 1 << 20 };
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
        var options = new VideoAlignmentOptions { LearningRate = 0.25, GradientSteps = 2 };
        VideoAlignmentOptions resolved = options.ResolveFor(new TinyVideoModel());
        Assert.That((resolved.Frames, resolved.Height, resolved.Width, resolved.InferenceSteps, resolved.GuidanceScale, resolved.Eta),
            Is.EqualTo((2, 4, 8, 3, 2.0, 0.0)));
        Assert.That((resolved.GradientWindow, resolved.RewardFrames), Is.EqualTo((GradientWindow.LastSteps(2), RewardFrames.OneRandom)));
        Assert.That((resolved.FramesPerSecond, resolved.MotionBucketId), Is.EqualTo(((double?)null, (double?)null)), "the model is not told them");
        Assert.That(resolved.ResolveFor(new TinyVideoModel()), Is.EqualTo(resolved));
        VideoAlignmentOptions chosen = options with
        {
            GradientSteps = 1,
            Frames = 4,
            InferenceSteps = 9,
            GuidanceScale = 1,
            GradientWindow = GradientWindow.SingleStep(1),
            RewardFrames = RewardFrames.All
        };
        resolved = chosen.ResolveFor(new TinyVideoModel());
        Assert.That(resolved, Is.EqualTo(chosen with { Height = 4, Width = 8, Eta = 0, MinGuidanceScale = resolved.MinGuidanceScale }), "what is set stands");
        Assert.That(() => new VideoAlignmentOptions { Width = 10 }.ResolveFor(new TinyVideoModel()),
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
