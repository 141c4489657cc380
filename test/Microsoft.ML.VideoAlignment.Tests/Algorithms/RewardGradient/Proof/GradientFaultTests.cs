using Microsoft.ML.VideoAlignment.Algorithms.RewardGradient;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Faults that people make, each put in on purpose: the proof must see every one, and must see nothing without them.</summary>
[NonParallelizable]
public class GradientFaultTests
{
    private static readonly GradientCheckOptions s_brief = new() { Directions = 1, Parts = 0, Invariants = false, AlongGradient = false };

    private VideoDiffusionModel _model = null!;

    [OneTimeSetUp]
    public void Make() => _model = VideoDiffusionModel.Untrained(VideoModelFamily.ModelScope);

    [OneTimeTearDown]
    public void Free() => _model.Dispose();

    [Test]
    public void WithoutAFaultItPasses()
    {
        using VideoReward reward = Redness();
        GradientCheckReport report = Check(new FaultyModel(_model), reward);
        Assert.That(report.Passed, report.ToString());
    }

    [Test]
    public void ADetachInTheReward()
    {
        using VideoReward reward = VideoRewards.Custom("detached mean", (frames, _) =>
            (frames.select(1, 0).mean([1, 2, 3]) - (frames.select(1, 1).mean([1, 2, 3]).detach() * 0.5)).exp());
        RequireCaught(_model, reward);
    }

    [Test]
    public void AWrongSignInTheReward()
    {
        using VideoReward reward = VideoRewards.Custom("wrong sign", (frames, _) => WrongSlope.Of(frames, -1).select(1, 0).mean([1, 2, 3]));
        RequireCaught(_model, reward);
    }

    /// <summary>A scale that one half of a layer forgets: one part in a thousand.</summary>
    [Test]
    public void AFactorThatIsOffByAThousandth()
    {
        using VideoReward reward = Redness();
        RequireCaught(new FaultyModel(_model) { Decoding = latents => WrongSlope.Of(latents, 1.001) }, reward);
    }

    [Test]
    public void AWrongSignInTheSampler()
    {
        using VideoReward reward = Redness();
        RequireCaught(new FaultyModel(_model) { Sampling = sampler => new FaultySampler(sampler, prediction => WrongSlope.Of(prediction, -1)) }, reward);
    }

    /// <summary>The branch that guidance leads away from, in no_grad: it saves memory and gives another gradient.</summary>
    [Test]
    public void GuidancesOtherBranchWithoutGradient()
    {
        using VideoReward reward = Redness();
        RequireCaught(
            new FaultyModel(_model)
            {
                Predicting = (latents, timestep, condition) =>
                {
                    Tensor[] both = _model.Predict(latents, timestep, condition).chunk(2);
                    return cat([both[0].detach(), both[1]]);
                },
            },
            reward);
    }

    /// <summary>The gradient of a step does not go on through x to the steps before it.</summary>
    [Test]
    public void AnInputThatIsDetached()
    {
        using VideoReward reward = Redness();
        RequireCaught(new FaultyModel(_model) { Predicting = (latents, timestep, condition) => _model.Predict(latents.detach(), timestep, condition) }, reward,
            GradientWindow.FromStep(0));
    }

    /// <summary>A tensor with a graph that the block reads without its being an input of the recomputation.</summary>
    [Test]
    public void ARecomputedBlockThatForgetsAnInput()
    {
        using VideoReward reward = Redness();
        RequireCaught(
            new FaultyModel(_model)
            {
                Predicting = (latents, timestep, condition) =>
                {
                    Tensor x = latents.detach();
                    Tensor forgotten = (latents * 0.1).detach().DetachFromDisposeScope();
                    Condition kept = condition.Map(tensor => tensor.clone()).DetachFromDisposeScope();
                    return Recompute.Run(ActivationMemory.Recompute, inputs => _model.Predict(inputs[0] + forgotten, timestep, kept), x);
                },
            },
            reward, GradientWindow.FromStep(0));
    }

    /// <summary>One layer of all computes with its adapter merged in a gradient step: right forward, no gradient.</summary>
    [Test]
    public void AnAdapterThatStaysMerged()
    {
        using VideoReward reward = Redness();
        AdaptableLayer layer = AdaptableLayer.FindAll(_model.Denoiser).Last(layer => layer.Name.Contains("attn", StringComparison.Ordinal));
        RequireCaught(
            new FaultyModel(_model)
            {
                Predicting = (latents, timestep, condition) =>
                {
                    using (no_grad())
                    {
                        layer.Layer.Slot.Merge(layer.Layer.Frozen);
                    }

                    return _model.Predict(latents, timestep, condition);
                },
            },
            reward);
    }

    [Test]
    public void AStepOutsideTheWindowThatIsWithGradient()
    {
        using VideoReward reward = Redness();
        RequireCaught(_model, reward, GradientWindow.LastSteps(1), Of(rollout => Planned(rollout, count => GradientPlan.Suffix(count, count - 2))));
    }

    [Test]
    public void AStepOfTheWindowThatIsNotWithGradient()
    {
        using VideoReward reward = Redness();
        RequireCaught(_model, reward, GradientWindow.Steps(1, 2),
            Of(rollout => Planned(rollout, count => GradientPlan.Chosen(count, new HashSet<int> { 2 }, detachInput: false))));
    }

    [Test]
    public void AnotherFrameThanTheScoredOne()
    {
        using VideoReward reward = Redness();
        RequireCaught(_model, reward, fault: Of(rollout => rollout with { Frames = [0] }));
    }

    /// <summary>Two micro-batches, each back-propagated whole: twice the gradient.</summary>
    [Test]
    public void AMicroBatchWithoutItsShare()
    {
        using VideoReward reward = Redness();
        RequireCaught(_model, reward, fault: new GradientFault { Setup = setup => setup.WithAccumulation(1) },
            change: options => options with { Optimizer = options.Optimizer with { AccumulationSteps = 2 } });
    }

    /// <summary>What <c>backward(penalty)</c> beside <c>backward(loss / accumulation)</c> gives, frame by frame and at once.</summary>
    [Test]
    public void ADistanceFromTheBaseWithoutItsShare([Values(null, 1)] int? framesPerDecode)
    {
        using VideoReward reward = Redness();
        RequireCaught(
            _model, reward,
            fault: new GradientFault { Setup = setup => WithKlWeight(setup, setup.Options.KlWeight * setup.Run.Optimizer.AccumulationSteps) },
            change: options => options with
            {
                Optimizer = options.Optimizer with { AccumulationSteps = 2 },
                Algorithm = AlignmentAlgorithm.RewardGradient(new() { Window = GradientWindow.LastSteps(2), KlWeight = 0.7 }),
                Memory = options.Memory with { FramesPerDecode = framesPerDecode },
            });
    }

    [Test]
    public void ADistanceFromTheBaseWithoutGradient()
    {
        using VideoReward reward = Redness();
        RequireCaught(_model, reward, fault: new GradientFault { Setup = setup => WithKlWeight(setup, 0) },
            change: options => options with { Algorithm = AlignmentAlgorithm.RewardGradient(new() { Window = GradientWindow.LastSteps(2), KlWeight = 0.7 }) });
    }

    /// <summary>The first copy alone, with the whole share.</summary>
    [Test]
    public void ACopyThatIsForgotten()
    {
        using VideoReward reward = Redness();
        RequireCaught(_model, reward, GradientWindow.LowVariance(3), Of(rollout => rollout with { Copies = [.. rollout.Copies.Skip(1)] }));
    }

    /// <summary>What a segment hands on loses its graph, where it is to keep it.</summary>
    [Test]
    public void ASegmentThatIsDetachedFromTheOneBefore()
    {
        using VideoReward reward = Redness();
        using VideoDiffusionModel model = VideoDiffusionModel.Untrained(VideoModelFamily.StableVideoDiffusion);
        RequireCaught(
            model, reward,
            fault: Of(rollout => rollout with { Later = [.. rollout.Later.Select(begin => (Func<Tensor, SegmentInputs>)(image => begin(image.detach())))] }),
            change: options => options with
            {
                Sampling = options.Sampling with { SegmentCount = 2 },
                Algorithm = AlignmentAlgorithm.RewardGradient(new() { Window = GradientWindow.LastSteps(2), CarryGradientAcrossSegments = true }),
            });
    }

    private static ProofSetup WithKlWeight(ProofSetup setup, double weight) => setup with { Options = setup.Options with { KlWeight = weight } };

    private static GradientFault Of(Func<Rollout, Rollout> rollout) => new() { Rollout = rollout };

    private static Rollout Planned(Rollout rollout, Func<int, GradientPlan> plan) =>
        rollout with { First = rollout.First with { Plan = plan(rollout.First.Plan.Count) } };

    private static VideoReward Redness() => VideoRewards.Custom("redness", (frames, _) => (frames.select(1, 0).mean([1, 2, 3]) * 3).exp());

    private static GradientCheckReport Check(
        VideoDiffusionModel model, VideoReward reward, GradientWindow? window = null, GradientFault? fault = null,
        Func<VideoAlignmentOptions, VideoAlignmentOptions>? change = null)
    {
        VideoAlignmentOptions options = GradientCheckTests.Options(VideoModelFamily.ModelScope) with
        {
            Sampling = GradientCheckTests.Options(VideoModelFamily.ModelScope).Sampling with { Steps = 3 },
            Lora = GradientCheckTests.Options(VideoModelFamily.ModelScope).Lora with { Layers = LoraLayers.AttentionQkvOut },
            Algorithm = AlignmentAlgorithm.RewardGradient(new() { Window = window ?? GradientWindow.LastSteps(2) }),
            Memory = GradientCheckTests.Options(VideoModelFamily.ModelScope).Memory with { Recompute = ActivationRecompute.None },
        };
        return GradientCheck.Run(model, reward, change?.Invoke(options) ?? options, s_brief, fault);
    }

    /// <summary>The change is one of the options that the fault needs; with them and without the fault everything passes.</summary>
    private static void RequireCaught(
        VideoDiffusionModel model, VideoReward reward, GradientWindow? window = null, GradientFault? fault = null,
        Func<VideoAlignmentOptions, VideoAlignmentOptions>? change = null)
    {
        if (change is not null)
        {
            GradientCheckReport sound = Check(model, reward, window, fault: null, change);
            Assert.That(sound.Passed, sound.ToString());
        }

        GradientCheckReport report = Check(model, reward, window, fault, change);
        TestContext.Out.WriteLine(report);
        Assert.That(report.Passed, Is.False, report.ToString());
        Assert.That(report.Rows.Where(row => row.Name is "all adapters 1" or "along the gradient").Any(row => row.Error > 100 * row.Tolerance),
            "caught by the derivative itself");
        Assert.That(report.ThrowIfFailed, Throws.TypeOf<GradientCheckException>());
    }
}
