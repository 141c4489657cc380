using Microsoft.ML.VideoAlignment.Algorithms;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Sampling;

namespace Microsoft.ML.VideoAlignment.Tests;

public class ValidationEvaluatorTests
{
    private static IEnumerable<TestCaseData> Policies() => new (RewardFrames? Frames, int Shown)[]
    {
        (null, 1), (RewardFrames.All, 20), (RewardFrames.RandomFrames(3), 3), (RewardFrames.Spaced(16), 16), (RewardFrames.EveryNth(3), 7),
            (RewardFrames.Chosen(2, 5), 2),
    }.Select(policy => new TestCaseData(policy.Frames, policy.Shown).SetName($"{{m}}({policy.Shown} of 20)"));

    [TestCaseSource(nameof(Policies))]
    public void HeldOutVideosShowAsManyFramesAsTrainingDoes(RewardFrames? frames, int shown)
    {
        var rig = new DoorRig();
        var counts = new List<(bool Training, long Frames)>();
        using VideoReward reward = VideoRewards.Custom("counting", (videos, _) =>
        {
            counts.Add((videos.requires_grad, videos.shape[2]));
            return videos.mean([1, 2, 3, 4]);
        });
        VideoAlignmentOptions options = DoorRig.ThreeSteps with
        {
            Sampling = DoorRig.ThreeSteps.Sampling with { Frames = 20 },
            Optimizer = DoorRig.ThreeSteps.Optimizer with { Steps = 1 },
            Reward = DoorRig.ThreeSteps.Reward with { Frames = frames },
            Validation = DoorRig.ThreeSteps.Validation with { Prompts = ["unseen", "also unseen"], Every = 1 },
        };
        rig.Context.Transforms.AlignVideoDiffusion("Video", "Prompt", rig.Model, reward, options).Fit(rig.Prompts);
        Assert.That(counts.Where(call => !call.Training), Is.Not.Empty);
        Assert.That(counts.Select(call => call.Frames), Is.All.EqualTo(shown));
    }

    /// <summary>V-JEPA's contract: it passes every check before the first step, and must then hold in measurements too.</summary>
    [Test]
    public void ARewardOfWholeSegmentsIsMeasuredOnWholeSegments()
    {
        var rig = new DoorRig { Reward = new FakeReward(new RewardContract { MinimumFrames = 16, FrameMultiple = 16, ScoresFramesSeparately = false }) };
        var told = new List<double?>();
        rig.Estimator(DoorRig.ThreeSteps with
        {
            Sampling = DoorRig.ThreeSteps.Sampling with { Frames = 42 },
            Reward = DoorRig.ThreeSteps.Reward with { Frames = RewardFrames.Spaced(16) },
            Validation = DoorRig.ThreeSteps.Validation with { Prompts = ["unseen"], Every = 1 },
        }, control: new RunControl { Progress = new Told(told) }).Fit(rig.Prompts);
        Assert.That(told, Has.Count.EqualTo(3).And.All.Not.Null);
    }

    [Test]
    public void TheNumberDoesNotDependOnTheBatchSize()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = TinyModel.Load();
        using LoraAdapters adapters = TinyModel.Adapt(model);
        using VideoReward reward = TinyModel.Redness();
        VideoPrompt[] prompts = ["a red circle", "a blue square", "a red circle", "a horse", "a green cross"];
        foreach (RewardFrames frames in new[] { RewardFrames.All, RewardFrames.OneRandom })
        {
            double[] measured = [.. new[] { 1, 2, 3, 5 }.Select(batch => Measure(batch, frames))];
            Assert.That(measured, Is.All.EqualTo(measured[0]).Within(1e-5), $"{frames}: but for the rounding of larger products");
        }

        Assert.That(Scores(RewardFrames.All)[0], Is.Not.EqualTo(Scores(RewardFrames.All)[2]).Within(1e-4),
            "one prompt in two rows: noise of its own each, so that the test can fail");
        double[] first = Scores(RewardFrames.OneRandom), second = Scores(RewardFrames.OneRandom);
        Assert.That(second, Is.EqualTo(first), "measured twice");

        double Measure(int batch, RewardFrames frames) =>
            new ValidationEvaluator(Settings(batch, prompts, frames).Run(model, reward), new ConditionCache(model, TinyModel.Settings().Sampling),
                new WorkCount()).Run(adapters);

        double[] Scores(RewardFrames frames)
        {
            var scores = new List<double>();
            using VideoReward listening = VideoRewards.Custom("listening", (videos, _) =>
            {
                Tensor score = videos.mean([1, 2, 3, 4]);
                scores.AddRange(score.data<float>().ToArray().Select(value => (double)value));
                return score;
            });
            new ValidationEvaluator(Settings(2, prompts, frames).Run(model, listening), new ConditionCache(model, TinyModel.Settings().Sampling),
                new WorkCount()).Run(adapters);
            return [.. scores];
        }
    }

    /// <summary>Of a video of several segments too, whose parts are decoded apart.</summary>
    [Test]
    public void ChosenFramesAreThoseOfTheWholeVideo()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = TinyImageModel.Load();
        SamplingSettings sampling = TinyImageModel.Sampling(segments: 3);
        VideoPrompt[] prompts = [new("", () => TinyImageModel.Image()), new("", () => TinyImageModel.Image(start: 9))];
        var generator = new VideoGenerator(model, sampling);
        Tensor whole = generator.Generate(prompts, [7, 8]); // [2, 3, 6, 8, 8]
        Tensor chosen = generator.GenerateForReward(prompts, [7, 8], [[0, 3, 5], [1, 2, 4]]);
        Tensor expected = stack([whole[0].index_select(1, tensor([0L, 3, 5])), whole[1].index_select(1, tensor([1L, 2, 4]))]);
        Assert.That((chosen - expected).abs().max().ToDouble(), Is.LessThan(1e-4));
        Assert.That((whole[0, .., 0] - whole[0, .., 3]).abs().max().ToDouble(), Is.GreaterThan(1e-2), "frames differ, so that the test can fail");
    }

    [Test]
    public void HeldOutPromptsAreTriedBeforeTheFirstStep()
    {
        var rig = new DoorRig();
        var messages = rig.Listen();
        int calls = 0;
        using VideoReward reward = VideoRewards.Custom("picky", (videos, prompts) =>
        {
            calls++;
            return videos.mean([1, 2, 3, 4]);
        });
        string longer = new('x', 50);
        rig.Context.Transforms.AlignVideoDiffusion("Video", "Prompt", rig.Model, reward,
            DoorRig.ThreeSteps with
            {
                Optimizer = DoorRig.ThreeSteps.Optimizer with { Steps = 1 },
                Validation = DoorRig.ThreeSteps.Validation with { Prompts = [longer] },
            }).Fit(rig.Prompts);
        Assert.That(messages.Where(message => message.Text.Contains(longer, StringComparison.Ordinal)),
            Has.One.Matches<(Microsoft.ML.Runtime.ChannelMessageKind Kind, string Text)>(message =>
                message.Text.Contains("last 10 tokens", StringComparison.Ordinal)));
    }

    private static TrainerSettings Settings(int batch, VideoPrompt[] prompts, RewardFrames frames) =>
        TinyModel.Settings(batch: batch) with { ValidationPrompts = prompts, Frames = frames };

    private sealed class Told(List<double?> values) : IProgress<VideoAlignmentProgress>
    {
        public void Report(VideoAlignmentProgress value) => values.Add(value.ValidationReward);
    }
}
