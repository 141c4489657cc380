using Microsoft.ML.VideoAlignment.Rewards.ClipHeads;
using Microsoft.ML.VideoAlignment.Rewards.TextImage;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

public class ClipRewardTests
{
    /// <summary>Central differences in float64 along one direction: error of order step^2, so 1e-6 of the slope is far above it and above rounding.</summary>
    [Test]
    public void TheGradientIsTheSlope()
    {
        using DisposeScope scope = NewDisposeScope();
        using HeadReward reward = SmallRewards.AestheticIn(ScalarType.Float64);
        using var generator = new Generator(5);
        Tensor frames = SmallRewards.Frames(1, 3, 2, 44, 30).to_type(ScalarType.Float64).requires_grad_(true);
        Tensor direction = randn([1L, 3, 2, 44, 30], generator: generator).to_type(ScalarType.Float64);
        reward.Score(frames, []).sum().backward();
        double slope = (frames.grad! * direction).sum().item<double>();
        const double Step = 1e-5;
        double measured = (Value(Step) - Value(-Step)) / (2 * Step);
        Assert.That(Math.Abs(slope), Is.GreaterThan(1e-4));
        Assert.That(measured, Is.EqualTo(slope).Within(1e-6 * Math.Abs(slope)));

        double Value(double step) => reward.Score(frames.detach() + (direction * step), []).item<double>();
    }

    [Test]
    public void WeightsTakeNoGradient()
    {
        using DisposeScope scope = NewDisposeScope();
        using HeadReward aesthetic = SmallRewards.AestheticIn(ScalarType.Float32);
        using TextImageReward text = TextImageReward.Similarity(SmallRewards.ClipFolder, Placement.Cpu);
        Tensor frames = SmallRewards.Frames(2, 3, 2, 32, 32).requires_grad_(true);
        (aesthetic.Score(frames, []) + text.Score(frames, SmallRewards.Prompts)).sum().backward();
        Assert.That(frames.grad!.abs().max().item<float>(), Is.GreaterThan(0));
        foreach (Tensor weight in aesthetic.Weights.Concat(text.Weights))
        {
            Assert.That(weight.requires_grad, Is.False);
            Assert.That(weight.grad, Is.Null);
        }
    }

    [Test]
    public void TwoClipRewardsOfOneSizeShareTheImages()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoReward mix = VideoRewards.Aesthetic(SmallRewards.ClipFolder, SmallRewards.HeadFile)
            + VideoRewards.TextImageSimilarity(SmallRewards.ClipFolder);
        var frames = new PreprocessedFrames(SmallRewards.Frames(2, 3, 2, 40, 40));
        mix.CheckedScore(frames, SmallRewards.Prompts);
        Assert.That(frames.ImageSets, Is.EqualTo(1));
        Assert.That(mix.Contract.WorkingSize, Is.EqualTo((32, 32)));
        Assert.That(mix.Contract.ReadsPrompt);
    }

    [Test]
    public void EachVideoIsHeldAgainstItsOwnPrompt()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoReward reward = VideoRewards.TextImageSimilarity(SmallRewards.ClipFolder);
        Tensor frames = SmallRewards.Frames(1, 3, 2, 32, 32).expand(2, -1, -1, -1, -1);
        float[] forth = reward.Score(frames, ["a red cake", "no"]).data<float>().ToArray();
        float[] back = reward.Score(frames, ["no", "a red cake"]).data<float>().ToArray();
        Assert.That(forth[0], Is.Not.EqualTo(forth[1]).Within(1e-4));
        Assert.That(back.Reverse(), Is.EqualTo(forth).Within(1e-5));
        Assert.That(forth, Is.All.InRange(-1f, 1f));
    }

    [Test]
    public void PromptsFirstSeenInInferenceModeServeTrainingLater()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoReward reward = VideoRewards.TextImageSimilarity(SmallRewards.ClipFolder);
        Tensor frames = SmallRewards.Frames(2, 3, 1, 32, 32);
        using (inference_mode())
        {
            reward.Score(frames, SmallRewards.Prompts);
        }

        Tensor withGradient = frames.clone().requires_grad_(true);
        reward.Score(withGradient, SmallRewards.Prompts).sum().backward();
        Assert.That(withGradient.grad!.abs().max().item<float>(), Is.GreaterThan(0));
    }

    [Test]
    public void AHeadForAnotherClipNamesBothWidths()
    {
        string head = Path.Combine(TestContext.CurrentContext.TestDirectory, "Conformance", "Cases", "S13-rewards", "aesthetic-over-target", "head.pth");
        Assert.That(() => VideoRewards.Aesthetic(SmallRewards.ClipFolder, head),
            Throws.ArgumentException.With.Message.Contains("20").And.Message.Contains("24"));
    }

    [Test]
    public void AFileThatIsNoHeadSaysWhatItHolds()
    {
        string weights = Path.Combine(SmallRewards.ClipFolder, "model.safetensors");
        Assert.That(() => VideoRewards.Aesthetic(SmallRewards.ClipFolder, weights),
            Throws.TypeOf<WeightFileException>().With.Message.Contains("not a reward head").And.Message.Contains("logit_scale"));
        Assert.That(() => VideoRewards.Aesthetic(SmallRewards.ClipFolder, "absent.pth"), Throws.InstanceOf<Exception>().With.Message.Contains("absent.pth"));
    }

    [Test]
    public void AFolderThatIsNoClipSaysSo()
    {
        Assert.That(() => VideoRewards.TextImageSimilarity(Path.Combine(SmallRewards.ClipFolder, "nowhere")),
            Throws.TypeOf<DirectoryNotFoundException>().With.Message.Contains("nowhere").And.Message.Contains("config.json"));
    }
}
