using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>What holds of every reward.</summary>
[TestFixtureSource(typeof(SmallRewards), nameof(SmallRewards.All))]
public class EveryRewardTests(Func<VideoReward> make)
{
    [Test]
    public void TheTrialCallPasses()
    {
        using VideoReward reward = make();
        RewardContractCheck check = RewardContractCheck.Run(reward, CPU, frames: 2, height: 40, width: 24, prompts: SmallRewards.Prompts);
        Assert.That(check.GradientNorm, Is.GreaterThan(1e-9));
    }

    [Test]
    public void ABatchIsItsRows()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoReward reward = make();
        Tensor frames = SmallRewards.Frames(3, 3, Count(reward), 40, 24);
        string[] prompts = [.. SmallRewards.Prompts, "a old lamp"];
        float[] together = reward.Score(frames, prompts).data<float>().ToArray();
        for (int row = 0; row < 3; row++)
        {
            float alone = reward.Score(frames.narrow(0, row, 1), [prompts[row]]).item<float>();
            Assert.That(alone, Is.EqualTo(together[row]).Within(1e-4 * (1 + Math.Abs(alone))));
        }

        Assert.That(together[0], Is.Not.EqualTo(together[1]), "rows differ, so that this test can fail");
    }

    [Test]
    public void TheOrderOfFramesDoesNotMatterToRewardsOfImages()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoReward reward = make();
        Assume.That(reward.Contract.ScoresFramesSeparately);
        Tensor frames = SmallRewards.Frames(2, 3, 4, 32, 32);
        Tensor score = reward.Score(frames, SmallRewards.Prompts);
        Assert.That(reward.Score(frames.flip(2), SmallRewards.Prompts).allclose(score, rtol: 1e-4, atol: 1e-5));
        Assert.That(reward.Score(frames.flip(0), SmallRewards.Prompts).allclose(score, rtol: 1e-4, atol: 1e-5), Is.False);
    }

    [Test]
    public void TwoCallsGiveOneScore()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoReward reward = make();
        Tensor frames = SmallRewards.Frames(2, 3, Count(reward), 32, 32);
        Assert.That(reward.Score(frames, SmallRewards.Prompts).Equals(reward.Score(frames, SmallRewards.Prompts)));
    }

    /// <summary>But for sums whose parts are normalized by what they scored so far.</summary>
    [Test]
    public void ScoringReadsNothing()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoReward reward = make();
        Tensor frames = SmallRewards.Frames(2, 3, Count(reward), 40, 24).requires_grad_(true);
        _ = reward.Score(frames, SmallRewards.Prompts); // texts are encoded now
        var reads = new HostReads();
        using (RunContext.Observe(reads))
        {
            Recompute.Backward(reward.Score(frames, SmallRewards.Prompts).sum());
        }

        Assert.That(reads.Readers, reward.Name.StartsWith("normalized", StringComparison.Ordinal) ? Is.EqualTo(new[] { "Add", "Add" }) : Is.Empty);
    }

    [Test]
    public void FourChannelsAreRefused()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoReward reward = make();
        Assert.That(() => reward.Score(rand([2L, 4, 2, 32, 32]), SmallRewards.Prompts),
            Throws.TypeOf<RewardContractException>().With.Message.Contains("[2, 4, 2, 32, 32]"));
    }

    [Test]
    public void LiveTensorsStayFlat()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoReward reward = make();
        Tensor frames = SmallRewards.Frames(2, 3, Count(reward), 32, 32).requires_grad_(true);
        Step();
        long before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        for (int i = 0; i < 5; i++)
        {
            Step();
        }

        Assert.That(DisposeScopeManager.Statistics.ThreadTotalLiveCount, Is.EqualTo(before));

        void Step()
        {
            using DisposeScope step = NewDisposeScope();
            reward.Score(frames, SmallRewards.Prompts).sum().backward();
            frames.grad = null;
        }
    }

    [Test]
    public void DisposingTwiceIsFine()
    {
        VideoReward reward = make();
        reward.Dispose();
        Assert.That(reward.Dispose, Throws.Nothing);
    }

    private static long Count(VideoReward reward) => Math.Max(2, reward.Contract.MinimumFrames);
}
