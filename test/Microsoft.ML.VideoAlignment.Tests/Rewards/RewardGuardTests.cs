namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>What a class of a user's gets wrong is an error that says so, not a wrong number.</summary>
public class RewardGuardTests
{
    [Test]
    public void FramesAreNotItsToDispose() => Refused(new Plain(static frames =>
    {
        Tensor score = frames.mean([1, 2, 3, 4]);
        frames.Dispose();
        return score;
    }), "disposed the frames [2, 3, 2, 8, 8]");

    [Test]
    public void AScoreMustOutliveTheCall() => Refused(new Plain(static frames =>
    {
        using Tensor score = frames.mean([1, 2, 3, 4]);
        return score;
    }), "returned a score that it has disposed");

    [Test]
    public void AScoreIsAFloatingPointNumber() => Refused(new Plain(static frames => frames.mean([1, 2, 3, 4]).to_type(ScalarType.Int64)), "got Int64");

    [TestCase(1, "[2]")]
    [TestCase(2, "null or a disposed tensor")]
    public void AnImageRewardScoresEveryImage(int fault, string message) => Refused(new Images((frames, _) => fault == 1
        ? frames.Frames.mean([1, 2, 3, 4])
        : null!), "shape [4] (row b * T + t", message);

    [Test]
    public void SharedImagesAreNotItsToDispose()
    {
        FramePreprocessing preprocessing = FramePreprocessing.ForClip(8);
        VideoReward careless = new Images((frames, _) =>
        {
            using Tensor images = frames.Images(preprocessing);
            return images.mean([1, 2, 3]);
        });
        Refused(careless + new Images((frames, _) => frames.Images(preprocessing).mean([1, 2, 3])), "disposed the preprocessed images");
    }

    [Test]
    public void TwoPartsShareOneImage()
    {
        using DisposeScope scope = NewDisposeScope();
        FramePreprocessing preprocessing = FramePreprocessing.ForClip(4) with { Interpolation = Interpolation.Bicubic };
        List<Tensor> seen = [];
        Images Part() => new((frames, _) =>
        {
            seen.Add(frames.Images(preprocessing with { Clamp = true }));
            return seen[^1].mean([1, 2, 3]);
        });
        using VideoReward sum = Part() + Part();
        _ = sum.Score(SmallRewards.Frames(2, 3, 2, 8, 8), []);
        Assert.That(seen, Has.Count.EqualTo(2));
        Assert.That(seen[0], Is.SameAs(seen[1]));
    }

    [Test]
    public void ChangedFramesAreSeenByTheTrial()
    {
        using var reward = new Plain(static frames => frames.mul_(0.5).mean([1, 2, 3, 4]));
        Assert.That(
            () => RewardContractCheck.Run(reward, CPU, needsGradient: false),
                Throws.TypeOf<RewardContractException>().With.Message.Contains("changed the frames"));
    }

    [Test]
    public void WeightsThatTakeGradientAreAWarning()
    {
        using var reward = new Plain(static frames => frames.mean([1, 2, 3, 4])) { Networked = [nn.Linear(3, 1)] };
        Assert.That(RewardContractCheck.Run(reward, CPU).Warnings, Has.One.Contains("require gradient"));
    }

    [Test]
    public void ANetworkThatIsNullIsNamed()
    {
        using var reward = new Plain(static frames => frames.mean([1, 2, 3, 4])) { Networked = [null!] };
        Assert.That(() => RewardContractCheck.Run(reward, CPU), Throws.TypeOf<RewardContractException>().With.Message.Contains("Networks"));
        reward.Networked = [];
    }

    [Test]
    public void ARewardWithoutWordsSaysHowItCouldBeSaved()
    {
        using var reward = new Plain(static frames => frames.mean([1, 2, 3, 4]));
        Assert.That(
            () => reward.Reference,
                Throws.TypeOf<NotSupportedException>().With.Message.Contains("override Save").And.Message.Contains("VideoRewards.Register"));
    }

    private static void Refused(VideoReward reward, params string[] said)
    {
        using DisposeScope scope = NewDisposeScope();
        using (reward)
        {
            RewardContractException? error = Assert.Throws<RewardContractException>(() => reward.Score(SmallRewards.Frames(2, 3, 2, 8, 8), []));
            Assert.That(said.Where(part => !error!.Message.Contains(part, StringComparison.Ordinal)), Is.Empty, error!.Message);
        }
    }

    private sealed class Plain(Func<Tensor, Tensor> score) : VideoReward
    {
        public nn.Module[] Networked { get; set; } = [];

        public override string Name => "plain";

        public override RewardContract Contract { get; } = new();

        protected internal override IEnumerable<nn.Module> Networks => Networked;

        protected override Tensor ScoreCore(Tensor frames, IReadOnlyList<string> prompts) => score(frames);
    }

    private sealed class Images(Func<PreprocessedFrames, IReadOnlyList<string>, Tensor> score) : ImageReward
    {
        public override string Name => "images";

        public override RewardContract Contract { get; } = new();

        protected override Tensor ImageScores(PreprocessedFrames frames, IReadOnlyList<string> prompts) => score(frames, prompts);
    }
}
