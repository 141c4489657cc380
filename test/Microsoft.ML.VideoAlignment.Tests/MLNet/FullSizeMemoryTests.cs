using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Models;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>What the published models take on a GPU at their presets with their rewards, by the estimate: everything on shapes alone.</summary>
public class FullSizeMemoryTests
{
    /// <summary>The presets in bfloat16 on a GPU of 16 GB: reward, CUDA's context and what the allocator loses included.</summary>
    [TestCase(VideoModelFamily.ModelScope, 16)]
    [TestCase(VideoModelFamily.VideoCrafter, 16)]
    [TestCase(VideoModelFamily.OpenSora, 16)]
    public void FitsInHalfPrecision(string family, double gigabytes)
    {
        MemoryEstimate half = Estimate(family, ComputePrecision.BFloat16), single = Estimate(family, ComputePrecision.Float32);
        TestContext.Out.WriteLine($"{family}: {half.Peak / 1e9:f1} GB, and {single.Peak / 1e9:f1} GB where float32 is computed in\n{half}");
        Assert.That(half.Peak / 1e9, Is.LessThan(gigabytes));
        Assert.That(half.Runtime, Is.GreaterThan(600_000_000));
        Assert.That(half.GradientSteps, Is.LessThan(0.6 * single.GradientSteps), "what is kept is half numbers");
        Assert.That(half.Backward, Is.LessThan(0.6 * single.Backward));
        Assert.That(half.Sampling, Is.LessThan(0.6 * single.Sampling));
        Assert.That(half.ToString(), Does.Not.Contain("only the weights"), "the reward is counted");
    }

    private static MemoryEstimate Estimate(string family, ComputePrecision precision)
    {
        VideoAlignmentOptions options = family switch
        {
            VideoModelFamily.ModelScope => VideoAlignmentPresets.VaderModelScopeAesthetic,
            VideoModelFamily.VideoCrafter => VideoAlignmentPresets.VaderVideoCrafterHpsAesthetic,
            _ => VideoAlignmentPresets.VaderOpenSoraHps,
        };
        using VideoDiffusionModel model = UntrainedModel.MakeOnMeta(family, UntrainedSize.Full, WeightPrecision.BFloat16);
        using VideoReward reward = family switch
        {
            VideoModelFamily.VideoCrafter => TowerReward.AestheticLarge() + TowerReward.PreferenceHuge(),
            VideoModelFamily.OpenSora => TowerReward.PreferenceHuge(),
            _ => TowerReward.AestheticLarge(),
        };
        return MemoryEstimation.EstimateOn(DeviceType.CUDA, model, options with { Memory = options.Memory with { Precision = precision } }, reward);
    }

    /// <summary>An image tower of a published size, on shapes alone, whose score is the mean of its embedding.</summary>
    private sealed class TowerReward(string name, ClipVisionConfig config) : PreprocessingReward
    {
        private readonly ClipVisionEncoder _tower =
            new(config, withProjection: true, Placement.OnCpu(WeightPrecision.BFloat16) with { Device = META });

        public override string Name => name;

        public override RewardContract Contract { get; } = new();

        protected internal override IEnumerable<nn.Module> Networks => [_tower];

        public static VideoReward AestheticLarge() => new TowerReward("aesthetic", ClipVisionConfig.VitL14);

        public static VideoReward PreferenceHuge() => new TowerReward("preference", ClipVisionConfig.VitH14);

        protected internal override VideoReward ToMeta() => new TowerReward(name, config);

        protected override Tensor ScoreCore(PreprocessedFrames frames, IReadOnlyList<string> prompts)
        {
            Tensor images = frames.Images(FramePreprocessing.ForClip(224));
            return PrecisionPolicy.Run(NetworkRole.Reward, () => _tower.call(images)).mean([1]).view(frames.Batch, frames.Count).mean([1]);
        }
    }
}
