using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>
/// A training step of every family, reward and algorithm runs on a device that is not the CPU: on shapes, by the code that CUDA takes, where no tensor of the
/// CPU's memory meets the step's own.
/// </summary>
public class TrainingDryRunTests
{
    private static readonly Dictionary<string, AlignmentAlgorithm> s_algorithms = new(StringComparer.Ordinal)
    {
        ["RewardGradient"] = AlignmentAlgorithm.RewardGradient(),
        ["KL"] = AlignmentAlgorithm.RewardGradient(new() { KlWeight = 0.1 }),
        ["LowVariance"] = AlignmentAlgorithm.RewardGradient(new() { Window = GradientWindow.LowVariance() }),
        ["DDPO"] = AlignmentAlgorithm.Ddpo(),
        ["Diffusion-DPO"] = AlignmentAlgorithm.DiffusionDpo(),
    };

    /// <summary>Families whose scheduler has the noise that these algorithms learn from, and the one that DRaFT-LV needs.</summary>
    private static readonly string[] s_withPolicy = [VideoModelFamily.ModelScope, VideoModelFamily.VideoCrafter];

    private readonly Dictionary<string, VideoDiffusionModel> _models = new(StringComparer.Ordinal);

    [OneTimeTearDown]
    public void Free()
    {
        foreach (VideoDiffusionModel model in _models.Values)
        {
            model.Dispose();
        }
    }

    private static IEnumerable<TestCaseData> Steps() =>
        from family in ModelPartsAccess.Families
        from algorithm in s_algorithms.Keys
        where algorithm is "RewardGradient" or "KL" || s_withPolicy.Contains(family)
        from reward in algorithm is "RewardGradient" ? SmallRewards.BuiltIn : ["aesthetic"]
        select new TestCaseData(family, algorithm, reward);

    [TestCaseSource(nameof(Steps))]
    public void NoTensorOfTheHostMeetsAStepOfTheDevice(string family, string algorithm, string kind)
    {
        VideoDiffusionModel model = _models.GetValueOrDefault(family) ?? (_models[family] = VideoDiffusionModel.Untrained(family));
        using VideoReward reward = SmallRewards.Make(kind);
        var found = new HostTensors();
        MemoryEstimate estimate;
        using (RunContext.Observe(found))
        {
            estimate = MemoryEstimation.EstimateOn(new FakeDevice(), model, Options(model, s_algorithms[algorithm]), reward);
        }

        using (Assert.EnterMultipleScope())
        {
            Assert.That(found.Found, Is.Empty);
            Assert.That(found.Operations, Is.GreaterThan(100));
            Assert.That(estimate.Describe(), Does.Not.Contain("on top"), "the reward runs on shapes");
        }
    }

    /// <summary>A reward that brings a number of the CPU's memory, which libtorch lets pass.</summary>
    [Test]
    public void ANumberOfTheHostIsSeen()
    {
        var found = new HostTensors();
        using IDisposable? observation = RunContext.Observe(found);
        using DisposeScope scope = NewDisposeScope();
        Tensor x = ones(2, device: META), before = tensor(1f);
        RunContext.Enter(RunStage.Scoring);
        Tensor y = Ops.Add(x, before);
        Assert.That((y.device_type, found.Found.Count), Is.EqualTo((DeviceType.META, 0)));
        Tensor number = tensor(2f);
        Ops.Add(x, number);
        Assert.That(found.Found, Is.EqualTo(new[] { "Scoring: Float32 []" }));
    }

    private static VideoAlignmentOptions Options(VideoDiffusionModel model, AlignmentAlgorithm algorithm) => new()
    {
        Sampling = new() { Steps = 5, Frames = model.Family == VideoModelFamily.OpenSora ? 17 : 4, Height = 32, Width = 32 },
        Lora = new() { Rank = 2 },
        Reward = new() { Frames = RewardFrames.Spaced(4) },
        Algorithm = algorithm,
    };
}
