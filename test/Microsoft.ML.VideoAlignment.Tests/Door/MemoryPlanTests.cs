namespace Microsoft.ML.VideoAlignment.Tests;

public class MemoryPlanTests
{
    private static readonly VideoAlignmentOptions s_options = new()
    {
        Lora = new() { Rank = 4 },
        Algorithm = AlignmentAlgorithm.RewardGradient(new() { GradientSteps = 3 }),
        Reward = new() { Frames = RewardFrames.All },
    };

    private VideoDiffusionModel _model = null!;
    private MemoryEstimate _kept = null!;
    private MemoryEstimate _least = null!;

    [OneTimeSetUp]
    public void Load()
    {
        _model = MovingShapesModels.TextToVideo();
        _kept = _model.EstimateMemory(s_options with { Memory = s_options.Memory with { Recompute = ActivationRecompute.None } });
        _least = _model.EstimateMemory(s_options with
        {
            Optimizer = s_options.Optimizer with { State = OptimizerState.EightBit },
            Memory = s_options.Memory with { Recompute = ActivationRecompute.Steps, FramesPerDecode = 1 },
        });
    }

    [OneTimeTearDown]
    public void Free() => _model.Dispose();

    [Test]
    public void WithRoomForAllNothingIsRecomputed()
    {
        var plan = MemoryPlan.Create(_model, s_options, _kept.Peak);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(plan.Options, Is.EqualTo(s_options with { Memory = s_options.Memory with { Recompute = ActivationRecompute.None } }));
            Assert.That(plan.Estimate.Peak, Is.EqualTo(_kept.Peak));
            Assert.That(plan.Steps, Has.Count.EqualTo(1));
        }
    }

    [Test]
    public void ItTakesTheFirstThatFitsAndNothingThatIsNotNeeded()
    {
        // Frames decoded in parts are tried before, and take a little more beside recomputed blocks than frames decoded together.
        long blocks = (long)(1.02 * _model.EstimateMemory(s_options).Peak);
        var plan = MemoryPlan.Create(_model, s_options with { Memory = s_options.Memory with { Budget = blocks } }, blocks);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(plan.Options, Is.EqualTo(s_options with { Memory = s_options.Memory with { Recompute = ActivationRecompute.Blocks } }),
                plan.Describe());
            Assert.That(plan.Estimate.Peak, Is.LessThanOrEqualTo(blocks));
            Assert.That(plan.Describe(),
                Does.Contain("FramesPerDecode = 4").And.Contain("not needed").And.Contain("Recompute = Blocks").And.Contain("peak").IgnoreCase);
        }
    }

    [Test]
    public void WhatItPromisesItsOptionsKeep([Values(0.9, 0.6, 0.4, 0.2)] double share)
    {
        long budget = _least.Peak + (long)((_kept.Peak - _least.Peak) * share);
        var plan = MemoryPlan.Create(_model, s_options, budget);
        Assert.That(_model.EstimateMemory(plan.Options).Peak, Is.EqualTo(plan.Estimate.Peak).And.LessThanOrEqualTo(budget), plan.Describe());
    }

    [Test]
    public void ABudgetThatNothingMeetsIsToldTheLeast()
    {
        InsufficientMemoryException? error =
            Assert.Throws<InsufficientMemoryException>(
                () => MemoryPlan.Create(_model, s_options with { Optimizer = s_options.Optimizer with { BatchSize = 2 } }, 1_000_000));
        MemoryEstimate least = _model.EstimateMemory(
            s_options with
            {
                Optimizer = s_options.Optimizer with { BatchSize = 2, State = OptimizerState.EightBit },
                Memory = s_options.Memory with { Recompute = ActivationRecompute.Steps, FramesPerDecode = 1 },
            });
        using (Assert.EnterMultipleScope())
        {
            Assert.That(error!.Message, Does.Contain("within 1 MB").And.Contain($"the least possible is {MemoryEstimate.InMegabytes(least.Peak)}"));
            Assert.That(error.Message, Does.Contain("its largest part is").And.Contain("Precision = Float16").And.Contain("Precision = Int8"));
            Assert.That(error.Message, Does.Contain("BatchSize (now 2)").And.Contain("8 x 32 x 32"));
        }
    }

    [Test]
    public void ABudgetThatIsNoneIsRefused()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => MemoryPlan.Create(_model, s_options, 0), Throws.InstanceOf<ArgumentOutOfRangeException>());
            Assert.That((s_options with { Memory = s_options.Memory with { Budget = -1 } }).Validate,
                Throws.ArgumentException.With.Message.Contains("Memory.Budget must be at least 1 byte"));
        }
    }

    [Test]
    public void FitFollowsTheBudgetAndSaysSo()
    {
        var context = new MLContext(seed: 1);
        var said = new List<string>();
        context.Log += (_, entry) => said.Add(entry.Message);
        IDataView prompts = context.Data.LoadFromEnumerable([new PromptRow { Prompt = "a red circle" }]);
        using VideoReward reward = TinyModel.Redness();
        VideoAlignmentOptions options =
            s_options with { Sampling = s_options.Sampling with { Steps = 3, Frames = 2 }, Optimizer = s_options.Optimizer with { Steps = 1 } };
        long blocks = _model.EstimateMemory(options, reward).Peak;
        using VideoAlignmentTransformer fitted =
            context.Transforms.AlignVideoDiffusion("Video", "Prompt", _model, reward, options with { Memory = options.Memory with { Budget = blocks } })
                .Fit(prompts);
        Assert.That(said, Has.Some.Contain("Memory plan for ModelScope, 2 x 32 x 32").And.Some.Contain("Recompute = Blocks"));
        VideoAlignmentEstimator impossible =
            context.Transforms.AlignVideoDiffusion("Video", "Prompt", _model, reward, options with { Memory = options.Memory with { Budget = 1000 } });
        Assert.That(() => impossible.Fit(prompts), Throws.TypeOf<InsufficientMemoryException>().With.Message.Contains("the least possible is"));
    }

    /// <summary>A segment that is recomputed as a whole keeps its latents, so three segments take about what one does.</summary>
    [Test]
    public void VideosOfSeveralSegmentsAreEstimatedToo()
    {
        using VideoDiffusionModel model = MovingShapesModels.ImageToVideo();
        VideoAlignmentOptions options = new()
        {
            Sampling = new() { ImageColumnName = "Image" },
            Lora = new() { Rank = 4 },
            Reward = new() { Frames = RewardFrames.All },
            Memory = new() { FramesPerDecode = 8 },
        };
        long one = Of(1), three = Of(3), kept = Of(3, ActivationRecompute.None);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(three, Is.GreaterThan(0.7 * one).And.LessThan(1.5 * one));
            Assert.That(kept, Is.GreaterThan(2 * three));
        }

        long Of(int clips, ActivationRecompute recompute = ActivationRecompute.Blocks) =>
            model.EstimateMemory(options with
            {
                Sampling = options.Sampling with { SegmentCount = clips },
                Algorithm = AlignmentAlgorithm.RewardGradient(new() { GradientSteps = 3, CarryGradientAcrossSegments = true }),
                Memory = options.Memory with { Recompute = recompute },
            }).Backward;
    }
}
