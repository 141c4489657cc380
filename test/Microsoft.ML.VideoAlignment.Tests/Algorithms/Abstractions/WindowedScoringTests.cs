using Microsoft.ML.VideoAlignment.Algorithms;
using Microsoft.ML.VideoAlignment.Rewards;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>A video is scored window by window, and its score is the mean: in training, in validation, from scores alone and on shapes.</summary>
public class WindowedScoringTests
{
    private const int Frames = 7;

    private static readonly RewardContract s_videos = new() { MinimumFrames = 4, ScoresFramesSeparately = false, ReadsPrompt = true };

    private VideoDiffusionModel _model = null!;

    [OneTimeSetUp]
    public void OpenTheModel() => _model = new TinyVideoModel();

    [OneTimeTearDown]
    public void CloseTheModel() => _model.Dispose();

    /// <summary>Frames 0-3, 2-5 and 3-6 of two videos, each scored with its own prompt; the expected score is computed without windows.</summary>
    [Test]
    public void TheScoreIsTheMeanOfTheWindowsScoresAndSoIsItsGradient()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoReward reward = Reward();
        TrainingRun run = Run(reward, RewardFrames.Windows(4, 2));
        Tensor videos = Videos().requires_grad_(true), same = Videos().requires_grad_(true);
        Tensor score = WindowedScoring.Score(run, videos, ["a", "long"], ScoreUse.Training);
        Tensor expected = stack([.. new[] { 0, 2, 3 }.Select(start => reward.Score(same.narrow(2, start, 4), ["a", "long"]))]).mean([0]);
        Assert.That(WindowedScoring.CountWindows(run), Is.EqualTo(3));
        Assert.That(Values(score), Is.EqualTo(Values(expected)).Within(1e-6));
        Assert.That(Values(score)[0], Is.Not.EqualTo(Values(reward.Score(videos, ["a", "long"]))[0]).Within(1e-5), "the whole video scores otherwise");
        score.sum().backward();
        expected.sum().backward();
        Assert.That(Values(videos.grad!.flatten()), Is.EqualTo(Values(same.grad!.flatten())).Within(1e-7));
        Assert.That(Values(videos.grad!.abs().sum([0, 1, 3, 4])), Is.All.GreaterThan(0), "every frame is in a window");
    }

    [Test]
    public void PartsOfASumAreAveragedEach()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoReward sum = (Reward() * 2f) + VideoRewards.Custom("first", (frames, _) => frames.select(2, 0).mean([1, 2, 3]), s_videos);
        TrainingRun run = Run(sum, RewardFrames.Windows(4, 2));
        IReadOnlyList<Tensor> parts = WindowedScoring.ScoreParts(run, Videos(), ["a", "long"], ScoreUse.Training);
        Assert.That(parts, Has.Count.EqualTo(2));
        Assert.That(parts.Select(part => part.shape), Is.All.EqualTo(new long[] { 2 }));
        Assert.That(Values(sum.Combine(parts, ScoreUse.Training)),
            Is.EqualTo(Values(WindowedScoring.Score(run, Videos(), ["a", "long"], ScoreUse.Training))).Within(1e-6));
    }

    [Test]
    public void WithoutWindowsTheVideoIsScoredWhole()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoReward reward = Reward();
        TrainingRun run = Run(reward, RewardFrames.All);
        Assert.That(WindowedScoring.CountWindows(run), Is.EqualTo(1));
        Assert.That(Values(WindowedScoring.Score(run, Videos(), ["a", "long"], ScoreUse.Training)), Is.EqualTo(Values(reward.Score(Videos(), ["a", "long"]))));
    }

    /// <summary>Every algorithm and the validation show the same windows, and each counts as a scored video.</summary>
    [TestCase("reward gradient")]
    [TestCase("ddpo")]
    [TestCase("dpo")]
    public void TrainingAndValidationShowTheSameWindows(string algorithm)
    {
        var rig = new DoorRig();
        var shown = new List<(long Videos, long Frames)>();
        using VideoReward reward = VideoRewards.Custom("counting", (videos, _) =>
        {
            shown.Add((videos.shape[0], videos.shape[2]));
            return videos.mean([1, 2, 3, 4]);
        }, new RewardContract { MinimumFrames = 4, ScoresFramesSeparately = false });
        VideoAlignmentOptions options = DoorRig.ThreeSteps with
        {
            Sampling = DoorRig.ThreeSteps.Sampling with { Frames = 20 },
            Optimizer = DoorRig.ThreeSteps.Optimizer with { Steps = 1 },
            Algorithm = algorithm switch
            {
                "ddpo" => AlignmentAlgorithm.Ddpo(),
                "dpo" => AlignmentAlgorithm.DiffusionDpo(),
                _ => DoorRig.ThreeSteps.Algorithm,
            },
            Reward = new() { Frames = RewardFrames.Windows(4, 4) },
            Validation = DoorRig.ThreeSteps.Validation with { Prompts = ["unseen"], Every = 1 },
        };
        rig.Context.Transforms.AlignVideoDiffusion("Video", "Prompt", rig.Model, reward, options).Fit(rig.Prompts);
        Assert.That(shown.Select(call => call.Frames), Is.All.EqualTo(4));
        Assert.That(shown.Skip(1).Select(call => call.Videos % 5), Is.All.Zero, "five windows of a video; the first call is the trial");
    }

    private static VideoReward Reward() => VideoRewards.Custom(
        "restlessness",
        (frames, prompts) => (frames.diff(1, 2) * frames.mean([2], keepdim: true)).square().mean([1, 2, 3, 4])
            * tensor([.. prompts.Select(prompt => (float)prompt.Length)]),
        s_videos);

    private TrainingRun Run(VideoReward reward, RewardFrames frames) => (TinyModel.Settings() with { Frames = frames }).Run(_model, reward) with
    {
        Sampling = TinyModel.Settings().Sampling with { Size = new VideoSize(Frames, 16, 16) },
    };

    private static Tensor Videos() => SmallRewards.Frames(2, 3, Frames, 4, 4);

    private static float[] Values(Tensor tensor) => tensor.detach().data<float>().ToArray();
}
