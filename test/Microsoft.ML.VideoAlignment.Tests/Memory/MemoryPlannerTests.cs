using Microsoft.ML.VideoAlignment.Memory;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Plans for GPUs that are not there: everything on shapes alone.</summary>
public class MemoryPlannerTests
{
    private static readonly VideoAlignmentOptions s_options = new()
    {
        Lora = new() { Rank = 4 },
        Algorithm = AlignmentAlgorithm.RewardGradient(new() { GradientSteps = 2 }),
        Reward = new() { Frames = RewardFrames.Spaced(2) },
    };

    private VideoDiffusionModel _model = null!;
    private VideoReward _reward = null!;

    [OneTimeSetUp]
    public void Load() => (_model, _reward) = (MovingShapesModels.TextToVideo(), SmallRewards.Make("aesthetic"));

    [OneTimeTearDown]
    public void Free()
    {
        _model.Dispose();
        _reward.Dispose();
    }

    [Test]
    public void TheEstimateHasThePrecisionOfTheCard()
    {
        MemoryEstimate half = Estimate(new FakeDevice("8.0"), s_options), single = Estimate(new FakeDevice("7.5"), s_options);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(half.Backward, Is.LessThan(0.75 * single.Backward));
            Assert.That(half.Describe(), Does.Contain($"{half.Name} in BFloat16: the peak is in"));
            Assert.That(single.Describe(), Does.Contain($"{single.Name}: the peak is in"));
        }
    }

    /// <summary>The order that MemoryPlan.Create writes down, where nothing fits and so everything is tried.</summary>
    [Test]
    public void TheOrderIsAsWritten()
    {
        string[] free =
        [
            "everything kept", "Memory.FramesPerDecode = 1", "Memory.OffloadIdleNetworks = true", "Memory.Recompute = Blocks",
            "Memory.OffloadActivations = true", "Memory.Tiling = Decoder", "Memory.StreamWeights = true", "Memory.Recompute = Steps",
        ];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Changes("9.0", s_options), Is.EqualTo((string[])[.. free, "Optimizer.State = EightBit"]), "in BFloat16 all along");
            Assert.That(Changes("7.5", s_options), Is.EqualTo((string[])
            [
                .. free, "Memory.RewardPrecision = Float16", "Memory.DecoderPrecision = Float16", "Memory.Precision = Float16", "Optimizer.State = EightBit",
            ]));
            VideoAlignmentOptions named = s_options with { Memory = new() { Precision = ComputePrecision.Float32 } };
            Assert.That(Changes("9.0", named), Is.EqualTo((string[])
            [
                .. free, "Memory.RewardPrecision = BFloat16", "Memory.DecoderPrecision = BFloat16", "Optimizer.State = EightBit",
            ]), "what an option names stays");
        }
    }

    [Test]
    public void ADecoderThatLeavesFloat16StaysInFloat32()
    {
        using VideoDiffusionModel model = VideoDiffusionModel.Untrained(VideoModelFamily.StableVideoDiffusion);
        VideoAlignmentOptions options = s_options with { Sampling = new() { Frames = 2, Height = 32, Width = 32 } };
        MemoryPlan least = new MemoryPlanner(model, options, budget: 1, _reward, new FakeDevice("7.5")).Search();
        Assert.That(least.Steps.Select(step => step.Change),
            Does.Contain("Memory.Precision = Float16").And.Contain("Memory.RewardPrecision = Float16").And.None.Contains("DecoderPrecision"));
    }

    [Test]
    public void HalfPrecisionMakesAPlanFit()
    {
        var device = new FakeDevice("7.5");
        MemoryPlan least = new MemoryPlanner(_model, s_options, budget: 1, _reward, device).Search();
        long[] peaks = [.. least.Steps.SkipWhile(step => step.Change != "Memory.Recompute = Steps").Select(step => step.Bytes)];
        Assert.That(peaks.Min(), Is.LessThan(peaks[0]), least.Describe());
        MemoryPlan plan = new MemoryPlanner(_model, s_options, least.Estimate.Peak, _reward, device).Find();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(plan.Estimate.Peak, Is.LessThanOrEqualTo(least.Estimate.Peak));
            Assert.That(plan.Estimate.Precision, Is.Not.EqualTo(RunPrecision.Float32), plan.Describe());
            Assert.That(Estimate(device, plan.Options).Peak, Is.EqualTo(plan.Estimate.Peak));
        }
    }

    [Test]
    public void WhereNothingFitsThePrecisionThatWasNamedIsAdvisedAgainst()
    {
        VideoAlignmentOptions named = s_options with { Memory = new() { Precision = ComputePrecision.Float32 } };
        Assert.That(() => new MemoryPlanner(_model, named, budget: 1_000_000, _reward, new FakeDevice()).Find(),
            Throws.TypeOf<InsufficientMemoryException>().With.Message.Contains("Memory.Precision = BFloat16 (now Float32)"));
        Assert.That(() => new MemoryPlanner(_model, s_options, budget: 1_000_000, _reward, new FakeDevice()).Find(),
            Throws.TypeOf<InsufficientMemoryException>().With.Message.Not.Contains("(now Float32)").And.Message.Not.Contains("(now BFloat16)"));
    }

    private MemoryEstimate Estimate(IComputeDevice device, VideoAlignmentOptions options) => MemoryEstimation.EstimateOn(device, _model, options, _reward);

    private string[] Changes(string capability, VideoAlignmentOptions options) =>
        [.. new MemoryPlanner(_model, options, budget: 1, _reward, new FakeDevice(capability)).Search().Steps.Select(step => step.Change)];
}
