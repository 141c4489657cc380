using Microsoft.ML.VideoAlignment.Sampling;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>What is estimated of each algorithm is what its own trainer holds: relations that follow from what it keeps and what it does not.</summary>
public class MemoryOfAlgorithmsTests
{
    private const int Steps = 5;

    private static readonly VideoAlignmentOptions s_options =
        new()
        {
            Sampling = new() { Steps = Steps },
            Lora = new() { Rank = 4 },
            Reward = new() { Frames = RewardFrames.All },
            Memory = new() { Recompute = ActivationRecompute.None },
        };

    private VideoDiffusionModel _model = null!;

    [OneTimeSetUp]
    public void Load() => _model = MovingShapesModels.TextToVideo();

    [OneTimeTearDown]
    public void Free() => _model.Dispose();

    [Test]
    public void ARolloutOfDdpoIsItsTrajectoriesAndConditions()
    {
        MemoryEstimate two = Ddpo(2), six = Ddpo(6);
        long each = ((Steps + 1) * LatentBytes()) + (Steps * sizeof(float)) + (2 * ConditionBytes());
        using (Assert.EnterMultipleScope())
        {
            Assert.That(six.GradientSteps - two.GradientSteps, Is.EqualTo(4 * each));
            Assert.That(six.Backward - two.Backward, Is.EqualTo(4 * each));
            Assert.That(six.Sampling - two.Sampling, Is.EqualTo(4 * each), "the last batch is sampled beside all others");
            Assert.That(six.Adapters, Is.EqualTo(two.Adapters));
        }

        MemoryEstimate Ddpo(int samples) =>
            _model.EstimateMemory(s_options with { Algorithm = AlignmentAlgorithm.Ddpo(new DdpoOptions { SamplesPerRollout = samples }) });
    }

    [Test]
    public void PairsOfDiffusionDpoAreLatentsAndAConditionEach()
    {
        MemoryEstimate one = Dpo(1), five = Dpo(5);
        long each = (2 * LatentBytes()) + ConditionBytes();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(five.GradientSteps - one.GradientSteps, Is.EqualTo(4 * each));
            Assert.That(five.Backward - one.Backward, Is.EqualTo(4 * each));
        }

        MemoryEstimate Dpo(int pairs) =>
            _model.EstimateMemory(s_options with { Algorithm = AlignmentAlgorithm.DiffusionDpo(new DiffusionDpoOptions { PairsPerRollout = pairs }) });
    }

    /// <summary>
    /// Videos are decoded and scored without a graph, so what is decoded is gone when learning begins; where the reward's gradient is followed it is not.
    /// </summary>
    [TestCase("DDPO")]
    [TestCase("Diffusion-DPO")]
    public void LearningFromScoresHoldsNoDecoder(string algorithm)
    {
        VideoAlignmentOptions scores = s_options with { Algorithm = algorithm == "DDPO" ? AlignmentAlgorithm.Ddpo() : AlignmentAlgorithm.DiffusionDpo() };
        (MemoryEstimate all, MemoryEstimate one) = (Of(scores), Of(scores with { Reward = scores.Reward with { Frames = RewardFrames.OneRandom } }));
        (MemoryEstimate gradient, MemoryEstimate gradientOfOne) =
            (Of(s_options), Of(s_options with { Reward = s_options.Reward with { Frames = RewardFrames.OneRandom } }));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(all.Backward, Is.EqualTo(one.Backward));
            Assert.That(all.GradientSteps, Is.EqualTo(one.GradientSteps));
            Assert.That(all.Decode, Is.GreaterThan(one.Decode));
            Assert.That(gradient.Backward, Is.GreaterThan(gradientOfOne.Backward));
            Assert.That(all.Decode, Is.LessThan(gradient.Decode), "no graph of the decoder");
        }
    }

    /// <summary>DPO learns from winner and loser in one call without guidance, DDPO from one video with both branches of the guidance: as many rows.</summary>
    [Test]
    public void AWithGradientCallGrowsWithItsRows()
    {
        MemoryEstimate guided = Of(s_options with { Algorithm = AlignmentAlgorithm.Ddpo() });
        MemoryEstimate unguided = Of(s_options with { Algorithm = AlignmentAlgorithm.Ddpo(new DdpoOptions { TrainWithGuidance = false }) });
        MemoryEstimate pair = Of(s_options with { Algorithm = AlignmentAlgorithm.DiffusionDpo() });
        using (Assert.EnterMultipleScope())
        {
            Assert.That(guided.Backward, Is.GreaterThan(1.7 * unguided.Backward).And.LessThan(2.1 * unguided.Backward));
            Assert.That(pair.Backward, Is.EqualTo(guided.Backward).Within(5).Percent);
        }
    }

    [Test]
    public void ThePenaltyKeepsTheDifferenceOfTheTwoPredictions()
    {
        MemoryEstimate without = Of(s_options), with = Of(s_options with { Algorithm = AlignmentAlgorithm.RewardGradient(new() { KlWeight = 0.1 }) });
        using (Assert.EnterMultipleScope())
        {
            Assert.That(with.Decode - without.Decode, Is.InRange(LatentBytes(), 2 * LatentBytes()), "what the square needs, for the backward pass");
            Assert.That(with.GradientSteps - without.GradientSteps, Is.GreaterThan(10 * LatentBytes()), "the base model's call beside the graph");
        }
    }

    [Test]
    public void TheAverageAndTheBestAreOneCopyOfTheFactorsEach()
    {
        VideoAlignmentOptions options = s_options with { Validation = s_options.Validation with { Prompts = ["a red circle"] } };
        long plain = Of(options).Adapters, factors = plain / 4;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Of(options with { Optimizer = options.Optimizer with { EmaDecay = 0.99 } }).Adapters, Is.EqualTo(plain + factors));
            Assert.That(Of(options with
            {
                Optimizer = options.Optimizer with { EmaDecay = 0.99 },
                Validation = options.Validation with { KeepBest = true },
            }).Adapters, Is.EqualTo(plain + (2 * factors)));
        }
    }

    [Test]
    public void HeldOutVideosAreGeneratedAndScored()
    {
        string[] prompts = ["a red circle", "a blue square"];
        MemoryEstimate none = Of(s_options), one = Of(s_options with { Validation = s_options.Validation with { Prompts = prompts } }),
            two = Of(s_options with
            {
                Optimizer = s_options.Optimizer with { BatchSize = 2 },
                Validation = s_options.Validation with { Prompts = prompts },
            });
        using (Assert.EnterMultipleScope())
        {
            Assert.That(none.Validation, Is.Zero);
            Assert.That(one.Validation, Is.GreaterThanOrEqualTo(one.Generation));
            Assert.That(two.Validation, Is.GreaterThan(one.Validation));
            Assert.That(two.Generation, Is.EqualTo(one.Generation), "one video whatever the batch");
        }
    }

    /// <summary>Copies of the finished latents come one after another, and the first has given its graph back by then.</summary>
    [Test]
    public void CopiesOfTheLastStepCostNoSecondGraph()
    {
        long once = Of(s_options).Backward,
            twice = Of(s_options with { Algorithm = AlignmentAlgorithm.RewardGradient(new() { Window = GradientWindow.LowVariance() }) }).Backward;
        Assert.That(twice, Is.GreaterThanOrEqualTo(once).And.LessThan(1.2 * once));
    }

    [Test]
    public void PlansTryWhatActsForTheAlgorithm()
    {
        string ddpo = Tried(AlignmentAlgorithm.Ddpo()), dpo = Tried(AlignmentAlgorithm.DiffusionDpo());
        using (Assert.EnterMultipleScope())
        {
            Assert.That(ddpo, Does.Contain("Recompute = Blocks").And.Contain("Recompute = Steps").And.Contain("Optimizer.State = EightBit")
                .And.Not.Contain("FramesPerDecode"));
            Assert.That(dpo, Does.Contain("Recompute = Blocks").And.Contain("Optimizer.State = EightBit").And.Not.Contain("FramesPerDecode")
                .And.Not.Contain("Recompute = Steps"));
        }

        string Tried(AlignmentAlgorithm algorithm) =>
            Assert.Throws<InsufficientMemoryException>(() => MemoryPlan.Create(_model, s_options with { Algorithm = algorithm }, 1_000_000))!.Message;
    }

    [Test]
    public void APlanOfDdpoKeepsItsPromise()
    {
        VideoAlignmentOptions options = s_options with { Optimizer = s_options.Optimizer with { BatchSize = 4 }, Algorithm = AlignmentAlgorithm.Ddpo() };
        long budget = (Of(options).Peak + Of(options with { Memory = options.Memory with { Recompute = ActivationRecompute.Blocks } }).Peak) / 2;
        var plan = MemoryPlan.Create(_model, options, budget);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(plan.Options.Memory.Recompute, Is.Not.EqualTo(ActivationRecompute.None), plan.Describe());
            Assert.That(Of(plan.Options).Peak, Is.EqualTo(plan.Estimate.Peak).And.LessThanOrEqualTo(budget));
        }
    }

    [Test]
    public void AnAlgorithmThatIsNotForTheModelIsRefused()
    {
        using VideoDiffusionModel images = MovingShapesModels.ImageToVideo();
        Assert.That(() => images.EstimateMemory(s_options with { Algorithm = AlignmentAlgorithm.Ddpo() }),
            Throws.ArgumentException.With.Message.Contains("Algorithm"));
    }

    private MemoryEstimate Of(VideoAlignmentOptions options) => _model.EstimateMemory(options);

    /// <summary>Of one video.</summary>
    private long LatentBytes() => _model.LatentShape(1, _model.DefaultSize).Aggregate((long)sizeof(float), (product, side) => product * side);

    /// <summary>Of one video and branch.</summary>
    private long ConditionBytes()
    {
        using Condition condition = _model.EmptyCondition(1, _model.DefaultSize);
        return condition.Text.numel() * condition.Text.element_size();
    }
}
