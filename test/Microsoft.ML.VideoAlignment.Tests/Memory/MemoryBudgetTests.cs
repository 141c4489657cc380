using Microsoft.ML.VideoAlignment.Memory;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>What a run may take, and what becomes of its options, where the user names no budget.</summary>
public class MemoryBudgetTests
{
    private static readonly VideoAlignmentOptions s_options = new()
    {
        Sampling = new() { Frames = 3, Height = 16, Width = 16, Steps = 3 },
        Lora = new() { Rank = 2 },
        Reward = new() { Frames = RewardFrames.All },
        Memory = new() { Recompute = ActivationRecompute.None },
    };

    private readonly List<string> _said = [];
    private readonly List<string> _warned = [];

    private VideoDiffusionModel _model = null!;
    private VideoReward _reward = null!;

    [SetUp]
    public void Load()
    {
        (_model, _reward) = (TinyModel.Load(), TinyModel.Redness());
        _said.Clear();
        _warned.Clear();
    }

    [TearDown]
    public void Free()
    {
        _model.Dispose();
        _reward.Dispose();
    }

    [Test]
    public void OnTheCpuThereIsNone() => Assert.That(Apply(s_options, new UnknownDevice(DeviceType.CPU)), Is.SameAs(s_options));

    [Test]
    public void WhereTheFreeMemoryIsNotKnownThereIsNone()
    {
        Assert.That(Apply(s_options, new FakeDevice()), Is.SameAs(s_options));
        Assert.That(_said, Is.Empty);
    }

    /// <summary>The options' own recompute and offloading stay, although keeping everything would be faster.</summary>
    [Test]
    public void OptionsThatFitAreLeftAsTheyAre()
    {
        VideoAlignmentOptions options = s_options with { Memory = new() { Recompute = ActivationRecompute.Steps, OffloadActivations = true } };
        Assert.That(Apply(options, Card(Peak(options))), Is.SameAs(options));
        Assert.That(_said, Has.Count.EqualTo(1).And.Some.Contains("the options as they are"));
        Assert.That(_warned, Is.Empty);
    }

    [Test]
    public void OthersAreReplacedByThoseOfAPlan()
    {
        long given = Peak(s_options), least = Peak(s_options with { Memory = new() { Recompute = ActivationRecompute.Blocks } });
        Assert.That(least, Is.LessThan(given));
        VideoAlignmentOptions planned = Apply(s_options, Card((given + least) / 2));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Peak(planned), Is.LessThanOrEqualTo((given + least) / 2));
            Assert.That(planned with { Memory = s_options.Memory }, Is.EqualTo(s_options), "only what changes no number");
            Assert.That(_said, Has.Some.Contains("Memory plan for ModelScope, 3 x 16 x 16 in BFloat16"));
            Assert.That(_warned, Is.Empty);
        }
    }

    /// <summary>An estimate that is too high must not refuse a run that its user did not limit.</summary>
    [Test]
    public void WhereNothingFitsTheLeastIsTriedWithAWarning()
    {
        VideoAlignmentOptions planned = Apply(s_options, Card(1_000_000));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(planned.Memory.Recompute, Is.Not.EqualTo(ActivationRecompute.None));
            Assert.That(planned.Optimizer, Is.EqualTo(s_options.Optimizer), "8 bits would change numbers");
            Assert.That(new[] { planned.Memory.Precision, planned.Memory.DecoderPrecision, planned.Memory.RewardPrecision }, Is.All.Null);
            Assert.That(_warned, Has.Count.EqualTo(1).And.Some.Contains("within 1 MB").And.Some.Contains("The run goes on with what takes least"));
        }
    }

    [Test]
    public void ABudgetThatIsGivenIsHeld()
    {
        VideoAlignmentOptions options = s_options with { Memory = s_options.Memory with { Budget = 1_000_000 } };
        Assert.That(() => Apply(options, Card(1L << 40)), Throws.TypeOf<InsufficientMemoryException>());
        long enough = Peak(s_options);
        Assert.That(Apply(options with { Memory = options.Memory with { Budget = enough } }, Card(1)), Is.EqualTo(s_options));
    }

    [Test]
    public void WhereNothingCanBeEstimatedNothingIsPlanned()
    {
        using VideoReward broken = new UnknownShapes();
        Assert.That(MemoryBudget.Apply(_model, s_options, broken, Card(1), _said.Add, _warned.Add), Is.SameAs(s_options));
        Assert.That(_said, Is.EqualTo(new[] { "Memory is not planned: no shapes" }));
    }

    /// <summary>The estimate counts all weights: what lies on the card already is not taken a second time.</summary>
    [Test]
    public void WeightsOnTheCardAreAddedToWhatIsFree()
    {
        long weights = _model.Networks.Values.SelectMany(TrainingDryRun.Stored).Sum(tensor => tensor.numel() * tensor.element_size());
        var here = new MemoryOnCpu(new DeviceMemory(500, 1000));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(MemoryBudget.ReadFree(_model, _reward, Card(500)), Is.EqualTo(500), "the model is elsewhere");
            Assert.That(MemoryBudget.ReadFree(_model, _reward, here), Is.EqualTo(500 + weights));
        }
    }

    private static FakeDevice Card(long free) => new() { Memory = new DeviceMemory(free, 1L << 41) };

    private long Peak(VideoAlignmentOptions options) => MemoryEstimation.EstimateOn(new FakeDevice(), _model, options, _reward).Peak;

    private VideoAlignmentOptions Apply(VideoAlignmentOptions options, IComputeDevice device) =>
        MemoryBudget.Apply(_model, options, _reward, device, _said.Add, _warned.Add);

    /// <summary>A card whose memory is the CPU's, so that a model can lie there.</summary>
    private sealed record MemoryOnCpu(DeviceMemory Memory) : IComputeDevice
    {
        public DeviceType Type => DeviceType.CPU;

        public Version? ComputeCapability => null;

        public DeviceMemory? ReadMemory() => Memory;
    }

    private sealed class UnknownShapes : ImageReward
    {
        public override string Name => "broken";

        public override RewardContract Contract { get; } = new();

        protected internal override VideoReward ToMeta() => throw new NotSupportedException("no shapes");

        protected override Tensor ImageScores(PreprocessedFrames frames, IReadOnlyList<string> prompts) => throw new NotSupportedException("no shapes");
    }
}
