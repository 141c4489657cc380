using Microsoft.ML.VideoAlignment.MovingShapes;
using Microsoft.ML.VideoAlignment.Rewards.VJepa;
using Microsoft.ML.VideoAlignment.Tensors;
using ProveGradients;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>
/// The gradient proof: every family, every reward and every window with every pair of the other settings, and every combination of those that take shares of
/// the gradient. The product of all is examples/ProveGradients --full.
/// </summary>
[NonParallelizable]
public class GradientCheckTests
{
    private static readonly GradientCheckOptions s_brief = new() { Directions = 1, Parts = 0, Invariants = false, AlongGradient = false };

    private readonly Dictionary<string, VideoDiffusionModel> _models = [];
    private readonly ProofRewards _rewards = new();

    public static IEnumerable<TestCaseData> Cases() => ProofCase.EveryValue().Select(proof => new TestCaseData(proof).SetArgDisplayNames(proof.ToString()));

    [OneTimeTearDown]
    public void Free()
    {
        foreach (VideoDiffusionModel model in _models.Values)
        {
            model.Dispose();
        }

        _rewards.Dispose();
    }

    [TestCaseSource(nameof(Cases))]
    public void TheGradientIsTheDerivative(object proof)
    {
        var proved = (ProofCase)proof;
        GradientCheckReport report = GradientCheck.Run(Model(proved.Family), _rewards[proved["reward"]], proved.Options(), s_brief);
        Assert.That(report.Passed, $"{proved}\n{report}");
        Assert.That(report.GradientNorm, Is.GreaterThan(0), "otherwise nothing was compared");
    }

    /// <summary>A share that is forgotten shows only where what takes shares meets: each combination must be there.</summary>
    [Test]
    public void EveryCombinationOfSharesIsProved()
    {
        string[][] shares =
            [.. ProofCase.EveryValue().Select(proof => new[] { proof["base-distance"], proof["accumulation"], proof["decode"], proof["copies"] })];
        Assert.That(shares.Select(share => string.Join('|', share)).Distinct().Count(), Is.EqualTo(2 * 2 * 2 * 3));
        Assert.That(ProofCase.EveryValue().Select(proof => proof["segments"]).Distinct().Count(), Is.EqualTo(3));
    }

    [Test]
    public void WhatMustBeEqualIs([ValueSource(typeof(ModelPartsAccess), nameof(ModelPartsAccess.Families))] string family)
    {
        VideoAlignmentOptions options = Options(family) with
        {
            Algorithm = AlignmentAlgorithm.RewardGradient(new() { Window = GradientWindow.LastSteps(2) }),
            Memory = Options(family).Memory with { Recompute = ActivationRecompute.None },
        };
        GradientCheckReport report = GradientCheck.Run(Model(family), _rewards["custom"], options, new GradientCheckOptions { Directions = 1, Parts = 0 });
        Assert.That(report.Passed, report.ToString());
        Assert.That(report.Rows.Select(row => row.Name), Is.SupersetOf(new[]
        {
            "recomputed blocks = plain: loss", "offloaded blocks = plain: gradient", "recomputed steps = plain: gradient", "the last T steps = full",
            "all steps by number = full", "no gradient before the window",
            "2 accumulated = one batch", "mean of two processes = one with both batches",
        }));
    }

    /// <summary>A video of two segments: the first segment's steps get gradient from the second's frames, or do not.</summary>
    [TestCase(true, ActivationRecompute.Blocks)]
    [TestCase(false, ActivationRecompute.None)]
    public void VideosOfSeveralSegments(bool carry, ActivationRecompute recompute)
    {
        VideoAlignmentOptions options = Options(VideoModelFamily.StableVideoDiffusion) with
        {
            Sampling = Options(VideoModelFamily.StableVideoDiffusion).Sampling with { SegmentCount = 2 },
            Algorithm = AlignmentAlgorithm.RewardGradient(new() { CarryGradientAcrossSegments = carry, Window = GradientWindow.LastSteps(2) }),
            Memory = Options(VideoModelFamily.StableVideoDiffusion).Memory with { Recompute = recompute },
        };
        GradientCheckReport report = GradientCheck.Run(Model(VideoModelFamily.StableVideoDiffusion), _rewards["custom"], options, s_brief);
        Assert.That(report.Passed, report.ToString());
    }

    /// <summary>Windows of four frames over a video of two segments of four: one lies over the joint.</summary>
    [Test]
    public void WindowsOverTheJoint()
    {
        VideoAlignmentOptions options = Options(VideoModelFamily.StableVideoDiffusion) with
        {
            Sampling = Options(VideoModelFamily.StableVideoDiffusion).Sampling with { SegmentCount = 2, Frames = 4 },
            Algorithm = AlignmentAlgorithm.RewardGradient(new() { CarryGradientAcrossSegments = true, Window = GradientWindow.LastSteps(2) }),
            Reward = new() { Frames = RewardFrames.Windows(4, 2) },
            Memory = new() { FramesPerDecode = 2 },
        };
        using VideoReward restless = VideoRewards.Custom(
            "restlessness", (frames, _) => (frames.diff(1, 2) * frames.mean([2], keepdim: true)).square().mean([1, 2, 3, 4]),
            new RewardContract { MinimumFrames = 4, ScoresFramesSeparately = false });
        GradientCheckReport report = GradientCheck.Run(Model(VideoModelFamily.StableVideoDiffusion), restless, options, s_brief);
        Assert.That(report.Passed, report.ToString());
    }

    /// <summary>V-JEPA's gradient is that of the score it reports; with the target held constant it is not, and the proof says so.</summary>
    [TestCase(true)]
    [TestCase(false)]
    public void ATargetHeldConstantFailsTheProof(bool targetGradient)
    {
        VideoAlignmentOptions options = Options(VideoModelFamily.ModelScope) with
        {
            Sampling = Options(VideoModelFamily.ModelScope).Sampling with { Frames = 8 },
            Algorithm = AlignmentAlgorithm.RewardGradient(new() { Window = GradientWindow.FromStep(0) }),
        };
        using VideoReward consistency = VJepaReward.FromFile(
            MovingShapesFiles.Find("vjepa.pth.tar"), MovingShapesSettings.Consistency with { TargetGradient = targetGradient }, Placement.Cpu);
        GradientCheckReport report = GradientCheck.Run(Model(VideoModelFamily.ModelScope), consistency, options, s_brief);
        Assert.That(report.Passed, Is.EqualTo(targetGradient), report.ToString());
        Assert.That(targetGradient || report.LargestError > 0.01, report.ToString());
    }

    /// <summary>
    /// What Open-Sora is given is part of its latents from the first step on, and yet carries gradient where steps before the window do not: a video whose
    /// gradient steps are the last ones, or all.
    /// </summary>
    [TestCase(true, 2, ActivationRecompute.Blocks)]
    [TestCase(true, 4, ActivationRecompute.Steps)]
    [TestCase(true, 1, ActivationRecompute.None)]
    [TestCase(false, 2, ActivationRecompute.Blocks)]
    public void VideosOfOpenSora(bool carry, int withGradient, ActivationRecompute recompute)
    {
        VideoAlignmentOptions options = Options(VideoModelFamily.OpenSora) with
        {
            Sampling = Options(VideoModelFamily.OpenSora).Sampling with { ImageColumnName = "Image", SegmentCount = 2 },
            Algorithm = AlignmentAlgorithm.RewardGradient(new()
            {
                CarryGradientAcrossSegments = carry,
                Window = GradientWindow.LastSteps(withGradient),
            }),
            Memory = Options(VideoModelFamily.OpenSora).Memory with { Recompute = recompute },
        };
        GradientCheckReport report = GradientCheck.Run(Model(VideoModelFamily.OpenSora), _rewards["custom"], options, s_brief);
        Assert.That(report.Passed, report.ToString());
    }

    /// <summary>An image of the user's as the first frame.</summary>
    [Test]
    public void WhatMustBeEqualIsWithAImage()
    {
        VideoAlignmentOptions options = Options(VideoModelFamily.OpenSora) with
        {
            Sampling = Options(VideoModelFamily.OpenSora).Sampling with { ImageColumnName = "Image" },
            Algorithm = AlignmentAlgorithm.RewardGradient(new() { Window = GradientWindow.LastSteps(2) }),
            Memory = Options(VideoModelFamily.OpenSora).Memory with { Recompute = ActivationRecompute.None },
        };
        GradientCheckReport report =
            GradientCheck.Run(Model(VideoModelFamily.OpenSora), _rewards["custom"], options, new GradientCheckOptions { Directions = 1, Parts = 0 });
        Assert.That(report.Passed, report.ToString());
    }

    [Test]
    public void FramesDecodedInChunksAndDistanceFromTheBase()
    {
        VideoAlignmentOptions options = Options(VideoModelFamily.ModelScope) with
        {
            Algorithm = AlignmentAlgorithm.RewardGradient(new() { KlWeight = 0.7, Window = GradientWindow.FromStep(1) }),
            Reward = Options(VideoModelFamily.ModelScope).Reward with { Loss = RewardLoss.Target(10, 0.1) },
            Memory = Options(VideoModelFamily.ModelScope).Memory with { FramesPerDecode = 1 },
        };
        GradientCheckReport report = GradientCheck.Run(Model(VideoModelFamily.ModelScope), _rewards["custom"], options, s_brief with { Parts = 3 });
        Assert.That(report.Passed, report.ToString());
    }

    [Test]
    public void CopiesOfTheLastStepWithADistanceFromTheBase()
    {
        VideoAlignmentOptions options = Options(VideoModelFamily.ModelScope) with
        {
            Algorithm = AlignmentAlgorithm.RewardGradient(new() { KlWeight = 0.7, Window = GradientWindow.LowVariance(3) }),
        };
        GradientCheckReport report = GradientCheck.Run(Model(VideoModelFamily.ModelScope), _rewards["custom"], options, s_brief);
        Assert.That(report.Passed, report.ToString());
    }

    /// <summary>The distance belongs to the video, not to its copies: it counts as much whatever their number.</summary>
    [Test]
    public void CopiesDoNotChangeTheWeightOfTheDistance()
    {
        double Distance(GradientWindow window)
        {
            double Loss(double weight) => GradientCheck.Run(
                Model(VideoModelFamily.ModelScope), _rewards["custom"],
                Options(VideoModelFamily.ModelScope) with { Algorithm = AlignmentAlgorithm.RewardGradient(new() { KlWeight = weight, Window = window }) },
                    s_brief).Loss;
            return Loss(0.7) - Loss(0);
        }

        double once = Distance(GradientWindow.LastSteps(1));
        Assert.That(once, Is.GreaterThan(0));
        Assert.That(Distance(GradientWindow.LowVariance(3)), Is.EqualTo(once).Within(1e-6).Percent);
    }

    [Test]
    public void EveryWeightIsAsItWas()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = VideoDiffusionModel.Untrained(VideoModelFamily.OpenSora);
        Dictionary<string, Tensor> before = State(model);
        GradientCheck.Run(model, _rewards["custom"], Options(VideoModelFamily.OpenSora), s_brief);
        foreach ((string name, Tensor now) in State(model))
        {
            Assert.That(now.dtype, Is.EqualTo(before[name].dtype), name);
            Assert.That(now.Equals(before[name]), name);
        }

        Assert.That(before, Has.Count.GreaterThan(50));

        static Dictionary<string, Tensor> State(VideoDiffusionModel model) => model.Networks
            .SelectMany(network => network.Value.state_dict().Select(pair => ($"{network.Key}.{pair.Key}", pair.Value.clone()))).ToDictionary();
    }

    [Test]
    public void ARewardInFloat32IsRefused()
    {
        using VideoReward single = VideoRewards.Custom("single", (frames, _) => frames.to(ScalarType.Float32).mean([1, 2, 3, 4]));
        Assert.That(
            () => GradientCheck.Run(Model(VideoModelFamily.ModelScope), single, Options(VideoModelFamily.ModelScope)),
            Throws.TypeOf<RewardContractException>().With.Message.Contains("'single' gave a score of Float32"));
    }

    /// <summary>Float32 in the middle is not seen by the dtype of the score; the loss then moves in jumps, or not at all.</summary>
    [Test]
    public void Float32InTheMiddleIsNoticed()
    {
        using VideoReward hidden = VideoRewards.Custom("hidden", (frames, _) => frames.to(ScalarType.Float32).mean([1, 2, 3, 4]).to(ScalarType.Float64));
        GradientCheckReport report = GradientCheck.Run(Model(VideoModelFamily.ModelScope), hidden, Options(VideoModelFamily.ModelScope), s_brief);
        Assert.That(report.Passed, Is.False);
        Assert.That(report.Rows.Where(row => !row.Passed).Select(row => row.Note), Has.Some.Contains("float32"));
    }

    [Test]
    public void ARewardWithoutGradientIsRefused() => Assert.That(
        () => GradientCheck.Run(Model(VideoModelFamily.ModelScope), MovingShapesRewards.TrueRating(), Options(VideoModelFamily.ModelScope)),
        Throws.TypeOf<RewardContractException>().With.Message.Contains("not differentiable"));

    [Test]
    public void EveryFaultOfTheOptionsIsNamed() => Assert.That(
        () => new GradientCheckOptions { Prompts = [], Directions = 0, Parts = -1, StepSize = 0, Tolerance = double.NaN }.Validate(),
        Throws.ArgumentException.With.Message.Contains("Prompts must").And.Message.Contains("Directions must").And.Message.Contains("Parts must")
            .And.Message.Contains("StepSize must").And.Message.Contains("Tolerance must"));

    [Test]
    public void AFailedReportThrowsWithItsTable()
    {
        var report = new GradientCheckReport(1, 2, [new("good", 1, 1, 0, 1e-6, ""), new("bad", 1, 2, 0.5, 1e-6, "why")]);
        Assert.That(report.Passed, Is.False);
        Assert.That(report.LargestError, Is.EqualTo(0.5));
        Assert.That(report.ThrowIfFailed, Throws.TypeOf<GradientCheckException>().With.Message.Contains("1 of 2 comparisons failed")
            .And.Message.Contains("FAIL bad").And.Message.Contains("(why)"));
        Assert.That(new GradientCheckRow("", 1, 1, double.NaN, 1, "").Passed, Is.False);
    }

    /// <summary>Two frames of 8 x 16 pixels (Open-Sora's least are 17), four steps, guidance.</summary>
    internal static VideoAlignmentOptions Options(string family) => new()
    {
        Sampling = new() { Frames = family == VideoModelFamily.OpenSora ? 17 : 2, Height = 8, Width = 16, Steps = 4, GuidanceScale = 2, Eta = 0 },
        Lora = new() { Rank = 2 },
        Reward = new() { Frames = RewardFrames.All },
    };

    private VideoDiffusionModel Model(string family) =>
        _models.TryGetValue(family, out VideoDiffusionModel? model) ? model : _models[family] = VideoDiffusionModel.Untrained(family);
}
