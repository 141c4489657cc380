using System.Globalization;
using Microsoft.ML.VideoAlignment.Rewards;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>A normalized sum of rewards acts wherever videos are scored for training, counts each of them once, and nothing else.</summary>
public class NormalizedRewardTests
{
    private static readonly AlignmentAlgorithm[] s_algorithms =
        [AlignmentAlgorithm.RewardGradient, AlignmentAlgorithm.Ddpo(new DdpoOptions { SamplesPerRollout = 8 }),
            AlignmentAlgorithm.DiffusionDpo(new DiffusionDpoOptions { PairsPerRollout = 4 })];

    private static IEnumerable<TestCaseData> Algorithms() =>
        s_algorithms.Select((algorithm, i) => new TestCaseData(algorithm).SetName($"{{m}}({new[] { "reward gradient", "DDPO", "Diffusion-DPO" }[i]})"));

    [TestCaseSource(nameof(Algorithms))]
    public void NormalizationChangesWhatTrainingSees(AlignmentAlgorithm algorithm)
    {
        (double[] plain, _, float[] plainVideo) = Run(algorithm, normalize: false);
        (double[] normalized, _, float[] video) = Run(algorithm, normalize: true);
        Assert.That(normalized, Is.Not.EqualTo(plain).Within(1e-3), "the reported rewards");
        Assert.That(video, Is.Not.EqualTo(plainVideo), "the weights");
    }

    [TestCaseSource(nameof(Algorithms))]
    public void HeldOutRewardsAreInTheirOwnUnits(AlignmentAlgorithm algorithm)
    {
        (_, double[] heldOut, _) = Run(algorithm, normalize: true);
        Assert.That(heldOut, Is.All.InRange(10.0, 98.0), "100 times the mean brightness, and 3 times what is not red");
    }

    /// <summary>4 steps of 2 videos; rollouts of DDPO are 8 videos for as many steps as it takes; of DPO 4 prompts of 2 videos for 2 steps.</summary>
    [TestCaseSource(nameof(Algorithms))]
    public void EachTrainingVideoIsCountedOnceAndHeldOutOnesAreNot(AlignmentAlgorithm algorithm)
    {
        using RewardMix mix = Mix(normalize: true);
        VideoAlignmentProgress last = Train(mix, algorithm, AnyWindow(algorithm)).Last();
        long queries = last.RewardQueries - last.HeldOutQueries, trained = queries / (algorithm == AlignmentAlgorithm.RewardGradient ? 3 : 1);
        Assert.That(Counts(mix), Is.All.EqualTo(trained), "three copies of a video's last step are one video");
        Assert.That(last.HeldOutQueries, Is.GreaterThan(0));
    }

    /// <summary>
    /// Of a rollout of several batches all scores enter before any is normalized: 0, 1, 2, 3 have the mean 1.5, whichever batch they came in.
    /// </summary>
    [Test]
    public void ARolloutIsNormalizedByOneMeasure()
    {
        using DisposeScope scope = NewDisposeScope();
        using RewardMix mix = Mix(normalize: true);
        Tensor[] batches = [Gray(0, 1), Gray(2, 3)];
        IReadOnlyList<Tensor>[] parts = [.. batches.Select(batch => mix.ScoreParts(new PreprocessedFrames(batch, ScoreUse.Training), ["", ""]))];
        Tensor[] columns = [.. Enumerable.Range(0, mix.PartCount).Select(part => cat([.. parts.Select(batch => batch[part])]))];
        double[] scores = [.. mix.Combine(columns, ScoreUse.Training).data<float>().ToArray().Select(value => (double)value)];
        double deviation = Math.Sqrt(5.0 / 3);
        Assert.That(scores, Is.EqualTo(new[] { -1.5, -0.5, 0.5, 1.5 }.Select(apart => (1 - 3) * apart / deviation)).Within(1e-4));
        Assert.That(Counts(mix), Is.All.EqualTo(4));
        Assert.That(mix.Score(Gray(2, 3), ["", ""], ScoreUse.Validation).data<float>().ToArray(), Is.EqualTo(new[] { 200f - 3, 300 - 6 }).Within(1e-3));
        Assert.That(mix.Score(Gray(2, 3), ["", ""], ScoreUse.Repetition).data<float>().ToArray(),
            Is.EqualTo(new[] { -1 / deviation, -3 / deviation }).Within(1e-3));
        Assert.That(Counts(mix), Is.All.EqualTo(4), "neither adds");
    }

    [Test]
    public void ATrialCallAddsNothing()
    {
        using RewardMix mix = Mix(normalize: true);
        RewardContractCheck.Run(mix, CPU);
        Assert.That(Counts(mix), Is.All.Zero);
    }

    private static (double[] Rewards, double[] HeldOut, float[] Video) Run(AlignmentAlgorithm algorithm, bool normalize)
    {
        using RewardMix mix = Mix(normalize);
        float[] video = [];
        VideoAlignmentProgress[] steps = Train(mix, algorithm, null, values => video = values);
        return ([.. steps.Select(step => step.Reward)], [.. steps.Select(step => step.ValidationReward!.Value)], video);
    }

    private static GradientWindow? AnyWindow(AlignmentAlgorithm algorithm) =>
        algorithm == AlignmentAlgorithm.RewardGradient ? GradientWindow.LowVariance(3) : null;

    private static VideoAlignmentProgress[] Train(RewardMix mix, AlignmentAlgorithm algorithm, GradientWindow? window, Action<float[]>? video = null)
    {
        var rig = new DoorRig();
        var steps = new List<VideoAlignmentProgress>();
        var options = new VideoAlignmentOptions
        {
            Algorithm = algorithm,
            GradientWindow = window,
            LoraRank = 2,
            LearningRate = 0.05,
            Steps = 4,
            BatchSize = 2,
            HeldOutPrompts = ["unseen"],
            HeldOutEvery = 1,
            Progress = new Told(steps),
        };
        using VideoAlignmentTransformer fitted = rig.Context.Transforms.AlignVideoDiffusion("Video", "Prompt", rig.Model, mix, options).Fit(rig.Prompts);
        video?.Invoke(EstimatorContract.Values(fitted.Transform(rig.Prompts))[0]);
        return [.. steps];
    }

    /// <summary>
    /// 100 times the brightness, and 3 times what is not red: as different in scale as rewards are. What is brighter is better, until both have one scale.
    /// </summary>
    private static RewardMix Mix(bool normalize)
    {
        var brightness = new Part("brightness", static frames => frames.mean([1, 2, 3, 4]) * 100);
        var notRed = new Part("not red", static frames => 1 - frames.select(1, 0).mean([1, 2, 3]));
        return new RewardMix([(brightness, 1f), (notRed, 3f)], normalize);
    }

    /// <summary>How many scores each part's running moments have seen.</summary>
    private static long[] Counts(RewardMix mix) =>
        [.. mix.Reference.PartMoments!.Select(moments => long.Parse(moments.Split(' ')[0], CultureInfo.InvariantCulture))];

    private static Tensor Gray(float first, float second)
    {
        Tensor frames = zeros([2L, 3, 1, 4, 4]);
        frames[0].fill_(first);
        frames[1].fill_(second);
        return frames;
    }

    private sealed class Part(string name, Func<Tensor, Tensor> score) : VideoReward
    {
        public override string Name => name;

        public override RewardContract Contract { get; } = new();

        protected internal override SavedReward Save() => new(name);

        public override void MoveTo(Device device)
        {
        }

        protected override Tensor ScoreCore(Tensor frames, IReadOnlyList<string> prompts) => score(frames);
    }

    private sealed class Told(List<VideoAlignmentProgress> steps) : IProgress<VideoAlignmentProgress>
    {
        public void Report(VideoAlignmentProgress value) => steps.Add(value);
    }
}
