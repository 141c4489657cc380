using Microsoft.ML.Runtime;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

public class VideoAlignmentEstimatorTests
{
    [Test]
    public void TheSchemaIsAsPromised()
    {
        var rig = new DoorRig();
        EstimatorContract.SchemaIsAsPromised(rig.Estimator(), rig.Prompts);
        EstimatorContract.SchemaIsAsPromised(
            rig.Estimator(DoorRig.ThreeSteps with { Sampling = DoorRig.ThreeSteps.Sampling with { SeedColumnName = "Draw" } }), rig.Prompts);
    }

    [Test]
    public void AMissingPromptColumnFailsBeforeAnyWork()
    {
        var rig = new DoorRig();
        IDataView bad = rig.Context.Data.LoadFromEnumerable([new { Text = "a" }]);
        EstimatorContract.BadInputFails(rig.Estimator(), rig.Prompts, bad, "Prompt");
        Assert.That(rig.Model.GradientVideos, Is.EqualTo(3), "only the good input");
    }

    [Test]
    public void APromptColumnOfAnotherTypeFailsBeforeAnyWork()
    {
        var rig = new DoorRig();
        EstimatorContract.BadInputFails(rig.Estimator(), rig.Prompts, rig.Context.Data.LoadFromEnumerable([new { Prompt = 1f }]), "Prompt");
        EstimatorContract.BadInputFails(rig.Estimator(), rig.Prompts, rig.Context.Data.LoadFromEnumerable([new { Prompt = new[] { "a", "b" } }]), "Prompt");
        Assert.That(rig.Model.GradientVideos, Is.EqualTo(6), "only the good inputs");
    }

    [Test]
    public void ASeedColumnMustBeWhole()
    {
        var rig = new DoorRig();
        VideoAlignmentEstimator estimator = rig.Estimator(DoorRig.ThreeSteps with { Sampling = DoorRig.ThreeSteps.Sampling with { SeedColumnName = "Draw" } });
        EstimatorContract.BadInputFails(estimator, rig.Prompts, rig.Context.Data.LoadFromEnumerable([new { Prompt = "a", Draw = 0.5f }]), "Draw");
    }

    [Test]
    public void AChainFailsBeforeTheFirstPartIsTrained()
    {
        var rig = new DoorRig();
        IDataView numbers = rig.Context.Data.LoadFromEnumerable([new { Prompt = 1f }]);
        Assert.That(() => rig.Estimator().Append(rig.Context.Transforms.ScoreVideo("Score", "Video", rig.Reward)).Fit(numbers),
            Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(rig.Model.GradientVideos, Is.Zero);
    }

    [Test]
    public void AnEmptyTableIsAnError()
    {
        var rig = new DoorRig();
        Assert.That(() => rig.Estimator().Fit(rig.Table()), Throws.InvalidOperationException.With.Message.Contains("no prompts"));
        Assert.That(rig.Model.GradientVideos, Is.Zero);
    }

    [Test]
    public void ARewardWithoutGradientIsRefusedBeforeAnyWork()
    {
        var rig = new DoorRig { Reward = new FakeReward(new RewardContract { IsDifferentiable = false }) };
        Assert.That(() => rig.Estimator().Fit(rig.Prompts), Throws.TypeOf<RewardContractException>().With.Message.Contains("no gradient"));
        Assert.That(rig.Model.GradientVideos, Is.Zero);
    }

    [Test]
    public void APromptThatTheRewardCannotReadIsRefusedBeforeAnyWork()
    {
        using VideoReward action = VideoRewards.ActionClassification(SmallRewards.ClassifierFolder);
        var rig = new DoorRig();
        VideoAlignmentEstimator estimator = rig.Context.Transforms.AlignVideoDiffusion("Video", "Prompt", rig.Model, action, DoorRig.ThreeSteps);
        Assert.That(() => estimator.Fit(rig.Table("jogging", "a red circle")),
            Throws.TypeOf<RewardContractException>().With.Message.Contains("'a red circle'"));
        Assert.That(rig.Model.GradientVideos, Is.Zero);
    }

    [Test]
    public void ARewardThatNeedsMoreFramesIsRefused()
    {
        var rig = new DoorRig { Reward = new FakeReward(new RewardContract { MinimumFrames = 16 }) };
        Assert.That(() => rig.Estimator().Fit(rig.Prompts), Throws.TypeOf<RewardContractException>().With.Message.Contains("16 frames"));
    }

    [Test]
    public void WindowsThatDoNotSuitTheRewardAreRefused()
    {
        VideoAlignmentOptions windows = DoorRig.ThreeSteps with
        {
            Sampling = DoorRig.ThreeSteps.Sampling with { Frames = 20 },
            Reward = DoorRig.ThreeSteps.Reward with { Frames = RewardFrames.Windows(6, 3) },
        };
        var images = new DoorRig();
        Assert.That(() => images.Estimator(windows).Fit(images.Prompts), Throws.TypeOf<RewardContractException>()
            .With.Message.Contains("scores each frame by itself").And.Message.Contains("Reward.Frames = RewardFrames.Windows"));
        var videos = new DoorRig { Reward = new FakeReward(new RewardContract { MinimumFrames = 8, FrameMultiple = 8, ScoresFramesSeparately = false }) };
        Assert.That(() => videos.Estimator(windows).Fit(videos.Prompts), Throws.TypeOf<RewardContractException>()
            .With.Message.Contains("show it 6 of 20 at a time").And.Message.Contains("RewardFrames.Windows a length"));
        Assert.That(() => videos.Estimator(windows with { Reward = new() { Frames = RewardFrames.Windows(21, 3) } }),
            Throws.ArgumentException.With.Message.Contains("Frames").And.Message.Contains("a window of 21 frames does not fit into a video of 20"));
        Assert.That(() => videos.Estimator(windows with { Reward = new() { Frames = RewardFrames.Windows(8, 4) } }).Fit(videos.Prompts), Throws.Nothing);
    }

    [Test]
    public void BadOptionsFailWhenTheEstimatorIsMade() => Assert.That(
        () => new DoorRig().Estimator(new VideoAlignmentOptions { Sampling = new() { Width = 10 } }),
        Throws.ArgumentException.With.Message.Contains("Width must be a multiple of 4"));

    [Test]
    public void EveryStepIsLoggedAndReported()
    {
        var rig = new DoorRig();
        List<(ChannelMessageKind Kind, string Text)> log = rig.Listen();
        var seen = new Reports();
        rig.Estimator(DoorRig.ThreeSteps, control: new RunControl { Progress = seen }).Fit(rig.Prompts);
        string[] steps = [.. log.Select(message => message.Text).Where(text => text.StartsWith("Step ", StringComparison.Ordinal))];
        Assert.That(steps, Has.Length.EqualTo(3));
        Assert.That(steps[1], Does.Match(@"^Step 2/3: reward 0\.\d+, loss -0\.\d+, gradient norm [\d.E-]+, \d+\.\d\d s a step, \d\d:\d\d:\d\d left\.$"));
        Assert.That(seen.Steps, Is.EqualTo(new[] { 1, 2, 3 }));
        Assert.That(log.First(message => message.Kind == ChannelMessageKind.Info).Text, Does.StartWith("Aligning Tiny (tiny) to 'brightness'")
            .And.Contains($"on cpu with {get_num_threads()} thread").And.Contains("3 prompts").And.Contains("seed 1"));
    }

    [Test]
    public void CancellationReturnsTheWeightsOfTheLastStep()
    {
        var rig = new DoorRig();
        List<(ChannelMessageKind Kind, string Text)> log = rig.Listen();
        using var source = new CancellationTokenSource();
        VideoAlignmentOptions options = DoorRig.ThreeSteps with { Optimizer = DoorRig.ThreeSteps.Optimizer with { Steps = 50 } };
        var control = new RunControl { CancellationToken = source.Token, Progress = new Reports(step => CancelAt(2, step)) };
        float[][] canceled = EstimatorContract.Values(rig.Estimator(options, control).Fit(rig.Prompts).Transform(rig.Prompts));
        VideoAlignmentOptions two = options with { Optimizer = options.Optimizer with { Steps = 2 } };
        float[][] twoSteps =
            EstimatorContract.Values(rig.Estimator(two, control with { CancellationToken = default }).Fit(rig.Prompts).Transform(rig.Prompts));
        Assert.That(canceled, Is.EqualTo(twoSteps));
        Assert.That(log.Select(message => message.Text), Has.Some.Contains("step 2 of 50"));

        void CancelAt(int last, int step)
        {
            if (step == last)
            {
                source.Cancel();
            }
        }
    }

    [Test]
    public void CheckpointsAreTheWeightsOfTheirSteps()
    {
        var rig = new DoorRig();
        string folder = Path.Combine(TestContext.CurrentContext.WorkDirectory, $"checkpoints-{Guid.NewGuid():N}", "new");
        rig.Estimator(DoorRig.ThreeSteps, control: new RunControl { CheckpointFolder = folder, CheckpointEvery = 2 }).Fit(rig.Prompts);
        Assert.That(Directory.GetFiles(folder).Select(Path.GetFileName), Is.EqualTo(new[] { "step-2.safetensors" }));
        byte[] two = Weights(rig.Estimator(DoorRig.ThreeSteps with { Optimizer = DoorRig.ThreeSteps.Optimizer with { Steps = 2 } }).Fit(rig.Prompts));
        Assert.That(File.ReadAllBytes(Path.Combine(folder, "step-2.safetensors")), Is.EqualTo(two));
        Directory.Delete(folder, recursive: true);
    }

    [Test]
    public void ARunThatStopsEarlySaysWhichWeightsItKept()
    {
        var rig = new DoorRig();
        List<(ChannelMessageKind Kind, string Text)> log = rig.Listen();
        VideoAlignmentOptions options = DoorRig.ThreeSteps with
        {
            Optimizer = DoorRig.ThreeSteps.Optimizer with { Steps = 40 },
            Reward = DoorRig.ThreeSteps.Reward with { Loss = RewardLoss.Minimize() },
            Validation = DoorRig.ThreeSteps.Validation with { Prompts = ["a held-out prompt"], Every = 1, KeepBest = true, EarlyStopPatience = 1 },
        };
        VideoAlignmentProgress? last = null;
        rig.Estimator(options, control: new RunControl { Progress = new Told(step => last = step) }).Fit(rig.Prompts);
        Assert.That(last!.Step, Is.LessThan(40));
        Assert.That(last.ValidationQueries, Is.EqualTo(last.Step));
        Assert.That(last.RewardQueries, Is.EqualTo(2 * last.Step));
        Assert.That(last.DenoiserEvaluations, Is.GreaterThan(0));
        Assert.That(last.PeakBytes, Is.GreaterThan(1 << 20));
        Assert.That(log.Select(message => message.Text),
            Has.Some.Contains($"Stopped after step {last.Step} of 40").And.Some.Contains("has the weights of step"));
        Assert.That(log, Has.None.Matches<(ChannelMessageKind Kind, string Text)>(message => message.Text.Contains("Canceled", StringComparison.Ordinal)));
    }

    /// <summary>What a callback does with other models is not the run's: its work is not counted, and it does not end with the run's cancellation.</summary>
    [Test]
    public void WhatACallbackGeneratesIsNotCountedInTheRun()
    {
        var rig = new DoorRig();
        var other = new TinyVideoModel();
        VideoAlignmentTransformer generator = rig.Context.Transforms.GenerateVideo("Video", "Prompt", other).Fit(rig.Prompts);
        long[] Evaluations(Action between)
        {
            List<long> counts = [];
            rig.Estimator(control: new RunControl { Progress = new Told(step => { counts.Add(step.DenoiserEvaluations); between(); }) }).Fit(rig.Prompts);
            return [.. counts];
        }

        int videos = 0;
        long[] alone = Evaluations(static () => { });
        Assert.That(Evaluations(() => videos += EstimatorContract.Values(generator.Transform(rig.Prompts)).Length), Is.EqualTo(alone));
        Assert.That(videos, Is.EqualTo(9), "three steps, three prompts");
    }

    [Test]
    public void OneSeedGivesOneResult()
    {
        var rig = new DoorRig(seed: null);
        VideoAlignmentEstimator estimator = rig.Estimator();
        (byte[] once, byte[] again) = (Weights(estimator.Fit(rig.Prompts)), Weights(estimator.Fit(rig.Prompts)));
        Assert.That(again, Is.EqualTo(once), "fitted twice");
        byte[][] byContext = [Fresh(new DoorRig(3)), Fresh(new DoorRig(3)), Fresh(new DoorRig(4))];
        Assert.That(byContext[1], Is.EqualTo(byContext[0]), "the context's seed");
        Assert.That(byContext[2], Is.Not.EqualTo(byContext[0]));
        Assert.That(Fresh(new DoorRig(3), seed: 9), Is.EqualTo(Fresh(new DoorRig(null), seed: 9)), "the options' seed");

        static byte[] Fresh(DoorRig rig, int? seed = null) => Weights(rig.Estimator(DoorRig.ThreeSteps with { Seed = seed }).Fit(rig.Prompts));
    }

    [Test]
    public void AnOverlongPromptIsNamedInAWarning()
    {
        var rig = new DoorRig();
        List<(ChannelMessageKind Kind, string Text)> log = rig.Listen();
        string prompt = new('x', 50);
        VideoAlignmentTransformer transformer = rig.Estimator().Fit(rig.Table("short", prompt, prompt));
        Assert.That(log.Where(message => message.Kind == ChannelMessageKind.Warning).Select(message => message.Text),
            Has.Exactly(1).Contains(prompt).And.Some.Contains("last 10 tokens"));
        log.Clear();
        EstimatorContract.Values(transformer.Transform(rig.Table(prompt)));
        Assert.That(log.Where(message => message.Kind == ChannelMessageKind.Warning).Select(message => message.Text), Has.Exactly(1).Contains(prompt));
    }

    [Test]
    public void TrainingRaisesTheReward()
    {
        var rig = new DoorRig();
        VideoAlignmentTransformer transformer =
            rig.Estimator(DoorRig.ThreeSteps with { Optimizer = DoorRig.ThreeSteps.Optimizer with { Steps = 25, BatchSize = 2 } }).Fit(rig.Prompts);
        float Mean(VideoAlignmentTransformer source) => EstimatorContract.Values(source.Transform(rig.Prompts)).Average(video => video.Average());
        Assert.That(Mean(transformer), Is.GreaterThan(Mean(transformer.WithoutAlignment("Base")) + 0.02));
    }

    [Test]
    public void HeldOutPromptsAreMeasuredAlongTheWay()
    {
        var rig = new DoorRig();
        var seen = new Reports();
        rig.Estimator(DoorRig.ThreeSteps with { Validation = DoorRig.ThreeSteps.Validation with { Prompts = ["unseen", "also unseen"], Every = 2 } },
            control: new RunControl { Progress = seen }).Fit(rig.Prompts);
        Assert.That(seen.HeldOut, Is.EqualTo(new[] { false, true, true }), "every second step, and the last");
    }

    [Test]
    public void TwoAlignmentsOfOneModelDoNotMix()
    {
        var rig = new DoorRig();
        VideoAlignmentTransformer first = rig.Estimator().Fit(rig.Prompts);
        float[][] alone = EstimatorContract.Values(first.Transform(rig.Prompts));
        VideoAlignmentTransformer second = rig.Estimator(DoorRig.ThreeSteps with { Seed = 5 }).Fit(rig.Prompts);
        float[][] other = EstimatorContract.Values(second.Transform(rig.Prompts));
        Assert.That(EstimatorContract.Values(first.Transform(rig.Prompts)), Is.EqualTo(alone).And.Not.EqualTo(other));
        second.Dispose();
        Assert.That(EstimatorContract.Values(first.Transform(rig.Prompts)), Is.EqualTo(alone));
    }

    [Test]
    public void ARewardThatThrowsMidRunLosesNothing()
    {
        string folder = Directory.CreateTempSubdirectory("door").FullName;
        try
        {
            int calls = 0;
            var thrown = new TimeoutException("service gone");
            using VideoReward reward = VideoRewards.Custom(
                "moody", (frames, _) => ++calls == 4 ? throw thrown : frames.mean([1L, 2L, 3L, 4L]));
            var rig = new DoorRig();
            rig.Context.TempFilePath = folder;
            VideoAlignmentEstimator estimator =
                rig.Context.Transforms.AlignVideoDiffusion("Video", "Prompt", rig.Model, reward,
                    DoorRig.ThreeSteps with { Optimizer = DoorRig.ThreeSteps.Optimizer with { Steps = 9 } });
            TrainingStepException error = Assert.Throws<TrainingStepException>(() => estimator.Fit(rig.Prompts))!;
            Assert.That((error.Step, error.InnerException), Is.EqualTo((3, (Exception)thrown)));
            Assert.That(error.LastGoodWeights, Is.EqualTo(Directory.EnumerateFiles(folder).Single()));
            Assert.That(EstimatorContract.Values(rig.Estimator().Fit(rig.Prompts).Transform(rig.Prompts)), Has.Length.EqualTo(3), "the model is usable");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Test]
    public void ARewardOfTheWrongShapeIsRefusedBeforeAnyWork()
    {
        var rig = new DoorRig();
        using VideoReward reward = VideoRewards.Custom("scalar", (frames, _) => frames.mean());
        Assert.That(
            () => rig.Context.Transforms.AlignVideoDiffusion("Video", "Prompt", rig.Model, reward, DoorRig.ThreeSteps).Fit(rig.Prompts),
            Throws.TypeOf<RewardContractException>().With.Message.Contains("scalar"));
        Assert.That(rig.Model.GradientVideos, Is.Zero);
    }

    [Test]
    public void FittingLeavesOptionsAndModelAsTheyWere()
    {
        var rig = new DoorRig();
        VideoAlignmentOptions before = DoorRig.ThreeSteps with { Memory = DoorRig.ThreeSteps.Memory with { Recompute = ActivationRecompute.Steps } };
        VideoAlignmentOptions options = before with { };
        rig.Estimator(options).Fit(rig.Prompts);
        Assert.That(options, Is.EqualTo(before));
        Assert.That(Recompute.IsActive, Is.False);
    }

    [Test]
    public void AMissingGpuWithoutFallbackIsAnErrorBeforeAnyWork()
    {
        var rig = new DoorRig();
        rig.Context.GpuDeviceId = 99;
        rig.Context.FallbackToCpu = false;
        Assert.That(() => rig.Estimator().Fit(rig.Prompts), Throws.InvalidOperationException.With.Message.Contains("GpuDeviceId is 99"));
        Assert.That(rig.Model.GradientVideos, Is.Zero);
        rig.Context.FallbackToCpu = true;
        List<(ChannelMessageKind Kind, string Text)> log = rig.Listen();
        Assert.That(() => rig.Estimator().Fit(rig.Prompts), Throws.Nothing);
        Assert.That(log.Select(message => message.Text), Has.Some.Contains("running on the CPU"));
    }

    [Test]
    public void TheCatalogMakesTheEstimator()
    {
        var rig = new DoorRig();
        VideoAlignmentEstimator estimator = rig.Context.Transforms.AlignVideoDiffusion("Video", "Prompt", rig.Model, rig.Reward);
        Assert.That(estimator.GetOutputSchema(MLNet.MlNetInterop.GetShape(rig.Prompts.Schema)).Select(column => column.Name), Does.Contain("Video"));
        Assert.That(() => rig.Context.Transforms.AlignVideoDiffusion("Video", "Prompt", rig.Model, rig.Reward, null!), Throws.ArgumentNullException);
        Assert.That(() => rig.Context.Transforms.AlignVideoDiffusion("Video", "", rig.Model, rig.Reward), Throws.ArgumentException);
    }

    private static byte[] Weights(VideoAlignmentTransformer transformer)
    {
        string path = Path.Combine(TestContext.CurrentContext.WorkDirectory, $"{Guid.NewGuid():N}.safetensors");
        transformer.SaveAdapters(path);
        byte[] weights = File.ReadAllBytes(path);
        File.Delete(path);
        return weights;
    }

    private sealed class Told(Action<VideoAlignmentProgress> tell) : IProgress<VideoAlignmentProgress>
    {
        public void Report(VideoAlignmentProgress value) => tell(value);
    }

    private sealed class Reports(Action<int>? onStep = null) : IProgress<VideoAlignmentProgress>
    {
        public List<int> Steps { get; } = [];

        public List<bool> HeldOut { get; } = [];

        public void Report(VideoAlignmentProgress value)
        {
            Steps.Add(value.Step);
            HeldOut.Add(value.ValidationReward is not null);
            onStep?.Invoke(value.Step);
        }
    }
}
