namespace Microsoft.ML.VideoAlignment.Tests;

public class RewardContractTests
{
    private static readonly string[] s_prompts = ["a red circle", "a blue square"];

    [Test]
    public void AFunctionIsARewardInAFewLines()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoReward redness = VideoRewards.Custom("redness", (frames, _) => frames.select(1, 0).mean([1, 2, 3]));
        Tensor frames = zeros([2L, 3, 4, 8, 8]);
        frames[1, 0].fill_(0.5);
        Assert.That(redness.Score(frames, s_prompts).data<float>().ToArray(), Is.EqualTo(new[] { 0f, 0.5f }));
        RewardContractCheck check = RewardContractCheck.Run(redness, CPU, frames: 4);
        Assert.That(check.GradientNorm, Is.EqualTo(Math.Sqrt(2.0 / (4 * 32 * 32))).Within(1e-6));
    }

    [Test]
    public void AWrongShapeNamesBothShapes()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoReward perFrame = VideoRewards.Custom("per frame", (frames, _) => frames.mean([1, 3, 4]));
        using VideoReward scalar = VideoRewards.Custom("averaged", (frames, _) => frames.mean());
        Tensor frames = rand([2L, 3, 4, 8, 8]);
        Assert.That(() => perFrame.Score(frames, s_prompts),
            Throws.TypeOf<RewardContractException>().With.Message.Contains("'per frame'").And.Message.Contains("[2]").And.Message.Contains("[2, 4]"));
        Assert.That(() => scalar.Score(frames, s_prompts), Throws.TypeOf<RewardContractException>().With.Message.Contains("average over the batch"));
        Assert.That(() => RewardContractCheck.Run(perFrame, CPU, frames: 4), Throws.TypeOf<RewardContractException>().With.Message.Contains("[2, 4]"));
    }

    [TestCase(new long[] { 2, 4, 4, 8, 8 }, "[2, 4, 4, 8, 8]")]
    [TestCase(new long[] { 2, 4, 3, 8, 8 }, "permute(0, 2, 1, 3, 4)")]
    [TestCase(new long[] { 2, 3, 8, 8 }, "[2, 3, 8, 8]")]
    public void FramesOfAnotherLayoutAreRefused(long[] shape, string expected)
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoReward reward = Brightness();
        Assert.That(() => reward.Score(rand(shape), s_prompts), Throws.TypeOf<RewardContractException>().With.Message.Contains(expected));
    }

    [Test]
    public void PromptsAndFrameCountsAreChecked()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoReward pairs = VideoRewards.Custom("pairs", (frames, _) => frames.mean([1, 2, 3, 4]),
            new RewardContract { MinimumFrames = 4, FrameMultiple = 2, ReadsPrompt = true });
        Assert.That(() => pairs.Score(rand([2L, 3, 3, 8, 8]), s_prompts), Throws.TypeOf<RewardContractException>().With.Message.Contains("at least 4"));
        Assert.That(() => pairs.Score(rand([2L, 3, 5, 8, 8]), s_prompts), Throws.TypeOf<RewardContractException>().With.Message.Contains("multiple of 2"));
        Assert.That(() => pairs.Score(rand([2L, 3, 4, 8, 8]), []), Throws.TypeOf<RewardContractException>().With.Message.Contains("one prompt per video"));
        Assert.That(() => pairs.Score(zeros([2L, 3, 4, 8, 8], dtype: ScalarType.Byte), s_prompts),
            Throws.TypeOf<RewardContractException>().With.Message.Contains("divide by 255"));
        using VideoReward promptless = Brightness();
        Assert.That(promptless.Score(rand([2L, 3, 5, 8, 8]), []).shape, Is.EqualTo(new long[] { 2 }));
        Assert.That(RewardContractCheck.Run(pairs, CPU, frames: 5).Warnings, Is.Empty, "the trial applies minimum and multiple itself");
    }

    [Test]
    public void AScoreWithoutGradientIsRefusedWithAnExplanation()
    {
        VideoReward[] faulty =
        [
            VideoRewards.Custom("detached", (frames, _) => frames.detach().mean([1, 2, 3, 4])),
            VideoRewards.Custom("ungraded", (frames, _) =>
            {
                using IDisposable guard = no_grad();
                return frames.mean([1, 2, 3, 4]);
            }),
            VideoRewards.Custom("items", (frames, _) => tensor([.. Enumerable.Range(0, (int)frames.shape[0]).Select(row => frames[row].mean().item<float>())])),
            VideoRewards.Custom("declared", (frames, _) => frames.mean([1, 2, 3, 4]), new RewardContract { IsDifferentiable = false }),
            VideoRewards.Custom("elsewhere", (frames, _) => ones([frames.shape[0]], requires_grad: true) * 2),
        ];
        foreach (VideoReward reward in faulty)
        {
            Assert.That(() => RewardContractCheck.Run(reward, CPU),
                Throws.TypeOf<RewardContractException>().With.Message.Contains(reward.Name).And.Message.Contains("no_grad").And.Message.Contains("detach")
                    .And.Message.Contains(".item()").And.Message.Contains("DDPO").And.Message.Contains("DPO").And.Message.Contains("scoring"));
            Assert.That(RewardContractCheck.Run(reward, CPU, needsGradient: false).GradientNorm, Is.Null, "algorithms without gradient take it");
            reward.Dispose();
        }
    }

    [Test]
    public void ZeroAndInfiniteGradientsAreRefused()
    {
        using VideoReward rounded = VideoRewards.Custom("rounded", (frames, _) => frames.round().mean([1, 2, 3, 4]));
        using VideoReward infinite = VideoRewards.Custom("root", (frames, _) => (frames - frames).sqrt().mean([1, 2, 3, 4]));
        using VideoReward nan = VideoRewards.Custom("nan", (frames, _) => (frames.mean([1, 2, 3, 4]) - 5).log());
        Assert.That(() => RewardContractCheck.Run(rounded, CPU), Throws.TypeOf<RewardContractException>().With.Message.Contains("zero everywhere"));
        Assert.That(() => RewardContractCheck.Run(infinite, CPU), Throws.TypeOf<RewardContractException>().With.Message.Contains("not finite"));
        Assert.That(() => RewardContractCheck.Run(nan, CPU), Throws.TypeOf<RewardContractException>().With.Message.Contains("not finite"));
    }

    [Test]
    public void AGradientOfZeroIsTakenFromARewardThatDeclaresIt()
    {
        var contract = new RewardContract { GradientMayVanish = true };
        using VideoReward declared = VideoRewards.Custom("nothing found", (frames, _) => frames.mean([1, 2, 3, 4]) * 0, contract);
        using VideoReward undeclared = VideoRewards.Custom("flat", (frames, _) => frames.mean([1, 2, 3, 4]) * 0);
        using VideoReward detached = VideoRewards.Custom("detached", (frames, _) => frames.detach().mean([1, 2, 3, 4]) * 0, contract);
        using VideoReward elsewhere = VideoRewards.Custom("elsewhere", (frames, _) => ones([frames.shape[0]], requires_grad: true) * 2, contract);
        using VideoReward infinite = VideoRewards.Custom("root", (frames, _) => (frames - frames).sqrt().mean([1, 2, 3, 4]), contract);
        Assert.That(RewardContractCheck.Run(declared, CPU).GradientNorm, Is.Zero);
        Assert.That(() => RewardContractCheck.Run(undeclared, CPU), Throws.TypeOf<RewardContractException>().With.Message.Contains("GradientMayVanish"));
        Assert.That(() => RewardContractCheck.Run(detached, CPU), Throws.TypeOf<RewardContractException>().With.Message.Contains("does not require grad"));
        Assert.That(() => RewardContractCheck.Run(elsewhere, CPU), Throws.TypeOf<RewardContractException>().With.Message.Contains("does not reach the frames"));
        Assert.That(() => RewardContractCheck.Run(infinite, CPU), Throws.TypeOf<RewardContractException>().With.Message.Contains("not finite"));
        Assert.That((declared + declared).Contract.GradientMayVanish);
        Assert.That((declared + undeclared).Contract.GradientMayVanish, Is.False, "a sum vanishes only where every part may");
    }

    [Test]
    public void TheTrialReadsThePromptsItIsGiven()
    {
        var seen = new List<string>();
        using VideoReward reward = VideoRewards.Custom("reader", (frames, prompts) =>
        {
            seen.AddRange(prompts);
            return frames.mean([1, 2, 3, 4]);
        });
        RewardContractCheck.Run(reward, CPU, batch: 3, prompts: ["x", "y"]);
        Assert.That(seen, Is.EqualTo(new[] { "x", "y", "x" }));
    }

    [Test]
    public void TheTrialIsOfAWithGradientStepWhateverTheCallersMode()
    {
        using VideoReward reward = Brightness();
        using IDisposable guard = no_grad();
        Assert.That(RewardContractCheck.Run(reward, CPU).GradientNorm, Is.GreaterThan(0));
    }

    [Test]
    public void UnexpectedScoresAreAWarning()
    {
        using VideoReward reward = VideoRewards.Custom("b", (frames, _) => frames.mean([1, 2, 3, 4]), new RewardContract { ScoreRange = (1, 10) });
        Assert.That(RewardContractCheck.Run(reward, CPU).Warnings, Has.Count.EqualTo(1));
    }

    [TestCase(-1f, 1f, "[-1, 1]")]
    [TestCase(0f, 255f, "divide by 255")]
    [TestCase(0f, float.NaN, "NaN at [2]")]
    [TestCase(0f, float.PositiveInfinity, "clamping does not repair")]
    [TestCase(-0.25f, 2f, "-0.25 at [0]")]
    public void ValuesOutsideTheUnitRangeAreNamed(float low, float high, string expected)
    {
        using DisposeScope scope = NewDisposeScope();
        Assert.That(() => RewardContractCheck.RequireUnitRange(tensor([low, 0.5f, high])),
            Throws.TypeOf<RewardContractException>().With.Message.Contains(expected));
        Assert.That(() => RewardContractCheck.RequireUnitRange(tensor([0f, 0.5f, 1f])), Throws.Nothing);
    }

    [Test]
    public void AContractThatContradictsItselfListsEveryFault()
    {
        var contract = new RewardContract { MinimumFrames = 0, FrameMultiple = 0, ScoreRange = (1, 1) };
        Assert.That(() => VideoRewards.Custom("x", (frames, _) => frames, contract), Throws.TypeOf<RewardContractException>()
            .With.Message.Contains("MinimumFrames").And.Message.Contains("FrameMultiple").And.Message.Contains("ScoreRange"));
    }

    [Test]
    public void DescribeSaysEverything()
    {
        var contract = new RewardContract
        {
            MinimumFrames = 8,
            FrameMultiple = 2,
            FramesPerSecond = 7.5,
            ReadsPrompt = true,
            WorkingSize = (224, 224),
            Resizing = "stretched",
            ScoreRange = (1, 10),
            Direction = ScoreDirection.LowerIsBetter,
            IsDifferentiable = false,
            QueriesPerCall = 3,
            ScoresFramesSeparately = false,
        };
        string text = contract.Describe();
        foreach (string part in new[] { "T >= 8", "multiple of 2", "7.5 frames", "224 x 224, stretched", "1 .. 10", "lower is better", "whole video", "none",
            "3" })
        {
            Assert.That(text, Does.Contain(part));
        }

        Assert.That(text, Does.Contain("RGB in [0, 1]").And.Contain("[B, 3, T, H, W]").And.Contain("reads the prompt  yes").And.Contain("gradient"));
        Assert.That(new RewardContract().Describe(),
            Does.Contain("any frame rate").And.Contain("working size      any").And.Contain("mean over frames").And.Contain("differentiable"));
    }

    [Test]
    public void ScoringLeavesNothingBehindAndTheArgumentsAlone()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoReward reward = Brightness() * 2f + VideoRewards.Custom("same field", (frames, _) => frames.sum([1, 2, 3, 4]));
        Tensor frames = rand([2L, 3, 4, 8, 8]);
        using Tensor copy = frames.clone();
        long before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        for (int i = 0; i < 3; i++)
        {
            reward.Score(frames, s_prompts).Dispose();
        }

        Assert.That(DisposeScopeManager.Statistics.ThreadTotalLiveCount, Is.EqualTo(before));
        Assert.That(frames.Equals(copy));
    }

    private static VideoReward Brightness() => VideoRewards.Custom("brightness", (frames, _) => frames.mean([1, 2, 3, 4]));
}
