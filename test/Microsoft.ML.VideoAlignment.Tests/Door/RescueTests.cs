using System.Net.Sockets;
using Microsoft.ML.VideoAlignment.MLNet;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Whatever fails after the first step, the weights that Fit would have returned after the last finished one are there.</summary>
[NonParallelizable]
public class RescueTests
{
    private const int Steps = 6;

    private TemporaryFolder _folder = null!;

    [SetUp]
    public void Open() => _folder = new TemporaryFolder();

    [TearDown]
    public void Close() => _folder.Dispose();

    public static IEnumerable<TestCaseData> Algorithms() =>
    [
        new TestCaseData(AlignmentAlgorithm.RewardGradient).SetArgDisplayNames("reward gradient"),
        new TestCaseData(AlignmentAlgorithm.Ddpo()).SetArgDisplayNames("DDPO"),
        new TestCaseData(AlignmentAlgorithm.DiffusionDpo()).SetArgDisplayNames("Diffusion-DPO"),
    ];

    /// <summary>A request that timed out looks like a cancellation, and is none of the run's.</summary>
    [TestCaseSource(nameof(Algorithms))]
    public void ARewardThatTimesOutIsAFailureAndNotTheEndOfTheRun(AlignmentAlgorithm algorithm)
    {
        var thrown = new TaskCanceledException("the scoring service took too long");
        var reward = new Scripted();
        VideoAlignmentOptions options = Options() with { Algorithm = algorithm };
        TrainingStepException error = Failed(options with { Progress = new Told(step => reward.Throw = step.Step == 2 ? _ => thrown : null) }, reward);
        Assert.That((error.Step, error.LastGoodStep, error.InnerException), Is.EqualTo((3, 2, (Exception)thrown)));
        Assert.That(File.ReadAllBytes(error.LastGoodWeights!), Is.EqualTo(Weights(options with { Steps = 2 })));
    }

    [Test]
    public void ATokenThatMayBeCanceledDoesNotMakeATimeoutTheRuns()
    {
        using var source = new CancellationTokenSource();
        var reward = new Scripted { Throw = call => call == 3 ? new OperationCanceledException(new CancellationToken(canceled: true)) : null };
        Assert.That(Failed(Options() with { CancellationToken = source.Token }, reward).InnerException, Is.TypeOf<OperationCanceledException>());
    }

    [TestCase(typeof(TimeoutException))]
    [TestCase(typeof(OperationCanceledException))]
    public void AProgressCallbackThatThrowsLosesNothing(Type type)
    {
        var thrown = (Exception)Activator.CreateInstance(type)!;
        TrainingStepException error = Failed(Options() with { Progress = new Told(step => Throw(step.Step == 2, thrown)) });
        Assert.That((error.Step, error.LastGoodStep, error.InnerException), Is.EqualTo((2, 2, thrown)), "the weights are those of the step that was reported");
        Assert.That(File.ReadAllBytes(error.LastGoodWeights!), Is.EqualTo(Weights(Options() with { Steps = 2 })));
    }

    /// <summary>A callback that trains another model, say.</summary>
    [Test]
    public void AnotherRunsFailureInsideThisOneIsAFailureOfThisOne()
    {
        TrainingStepException? other = null;
        Told progress = new(step =>
        {
            if (step.Step == 2)
            {
                throw other = Failed(Options(), new Scripted { Throw = call => call == 2 ? new TimeoutException() : null });
            }
        });
        TrainingStepException error = Failed(Options() with { Progress = progress });
        Assert.That((error.LastGoodStep, error.InnerException), Is.EqualTo((2, (Exception?)other)));
        Assert.That(File.ReadAllBytes(error.LastGoodWeights!), Is.EqualTo(Weights(Options() with { Steps = 2 })));
    }

    [Test]
    public void AHeldOutMeasurementThatThrowsLosesNothing()
    {
        var thrown = new SocketException();
        var reward = new Scripted { ThrowHeldOut = _ => thrown };
        VideoAlignmentOptions options = Options() with { HeldOutPrompts = ["unseen"], HeldOutEvery = 2 };
        TrainingStepException error = Failed(options, reward);
        Assert.That((error.Step, error.LastGoodStep, error.InnerException), Is.EqualTo((2, 2, (Exception)thrown)));
        Assert.That(File.ReadAllBytes(error.LastGoodWeights!), Is.EqualTo(Weights(Options() with { Steps = 2 })));
    }

    [Test]
    public void ACheckpointThatCannotBeWrittenLosesNothing()
    {
        string checkpoints = _folder.Path("checkpoints");
        TrainingStepException error = Failed(Options() with
        {
            CheckpointFolder = checkpoints,
            CheckpointEvery = 2,
            Progress = new Told(step =>
            {
                if (step.Step == 1)
                {
                    File.WriteAllText(checkpoints, "in the way");
                }
            }),
        });
        Assert.That((error.Step, error.LastGoodStep), Is.EqualTo((2, 2)));
        Assert.That(error.InnerException, Is.InstanceOf<IOException>());
        Assert.That(Path.GetDirectoryName(error.LastGoodWeights), Is.EqualTo(_folder.Path("temporary")), "the second choice");
        Assert.That(File.ReadAllBytes(error.LastGoodWeights!), Is.EqualTo(Weights(Options() with { Steps = 2 })));
    }

    /// <summary>The last one is written when training is over.</summary>
    [TestCase("Step 2/", 2)]
    [TestCase("The transformer has the weights of step", Steps)]
    public void ALogThatThrowsLosesNothing(string message, int step)
    {
        var thrown = new IOException("the log's disk is full");
        VideoAlignmentOptions options = Options() with { HeldOutPrompts = ["unseen"], HeldOutEvery = Steps, KeepBest = true };
        TrainingStepException error = Failed(options, log: text => Throw(text.StartsWith(message, StringComparison.Ordinal), thrown));
        Assert.That((error.Step, error.LastGoodStep, error.InnerException), Is.EqualTo((step, step, (Exception)thrown)));
        Assert.That(File.ReadAllBytes(error.LastGoodWeights!), Is.EqualTo(Weights(Options() with { Steps = step })));
    }

    [Test]
    public void ARewardThatBreaksItsContractInMidRunLosesNothing()
    {
        var reward = new Scripted { Shape = call => call == 4 ? [1, 1] : null };
        TrainingStepException error = Failed(Options(), reward);
        Assert.That(error.InnerException, Is.TypeOf<RewardContractException>(), "it is still known for what it is");
        Assert.That((error.Step, error.LastGoodStep), Is.EqualTo((3, 2)));
        Assert.That(File.ReadAllBytes(error.LastGoodWeights!), Is.EqualTo(Weights(Options() with { Steps = 2 })));
    }

    [Test]
    public void ARewardThatBreaksItsContractInTheFirstStepIsPlain()
    {
        var rig = new DoorRig { Reward = new FakeReward() };
        var reward = new Scripted { Shape = call => call == 2 ? [1, 1] : null };
        var estimator = new VideoAlignmentEstimator(rig.Context, new AlignmentColumns("Video", "Prompt", null, null), rig.Model, reward, Options());
        Assert.That(() => estimator.Fit(rig.Prompts), Throws.TypeOf<RewardContractException>());
    }

    [Test]
    public void WhatFailsBeforeTheFirstStepIsPlainAndWritesNothing()
    {
        var thrown = new TimeoutException();
        DoorRig rig = Rig(_folder.Path("temporary"));
        Assert.That(() => Estimator(rig, Options(), new Scripted { Begin = () => throw thrown }).Fit(rig.Prompts), Throws.Exception.SameAs(thrown));
        Assert.That(Directory.EnumerateFileSystemEntries(_folder.ToString()), Is.Empty);
    }

    [Test]
    public void ARunThatCannotLearnStopsWithItsWeights()
    {
        var reward = new Scripted { Factor = call => call == 1 ? 1 : 0 };
        TrainingStepException error = Failed(Options(), reward);
        Assert.That((error.Step, error.LastGoodStep), Is.EqualTo((2, 2)));
        Assert.That(error.InnerException, Is.TypeOf<InvalidOperationException>().With.Message.Contains("no gradient has reached"));
        Assert.That(File.Exists(error.LastGoodWeights));
    }

    /// <summary>Options of the step whose first update float32 does not hold; the last step of a run as well as one in the middle.</summary>
    [TestCase(1e308, 0.01, 1e-8, 1, "LearningRate 1E+308")]
    [TestCase(1e308, 0, 1e-8, Steps, "LearningRate 1E+308")]
    [TestCase(1e100, 0, 1e-8, Steps, "LearningRate 1E+100")]
    [TestCase(1e-3, 0, 1e100, 1, "Epsilon 1E+100")]
    [TestCase(1e-3, 1e300, 1e-8, 1, "WeightDecay 1E+300")]
    [TestCase(1e-3, 0, 1e-60, 1, "Epsilon 1E-60")]
    public void AnUpdateBeyondFloat32KeepsTheWeightsBeforeItAndNamesTheOptions(double rate, double decay, double epsilon, int steps, string named)
    {
        VideoAlignmentOptions options = Options() with { LearningRate = rate, WeightDecay = decay, Epsilon = epsilon, Steps = steps };
        TrainingStepException error = Failed(options);
        Assert.That((error.Step, error.LastGoodStep, error.InnerException), Is.EqualTo((1, 0, (Exception?)null)));
        Assert.That(error.Message, Does.Contain("the update").And.Contain(named).And.Contain("is not finite"));
        using var file = new Microsoft.ML.VideoAlignment.Weights.SafetensorsFile(error.LastGoodWeights!);
        Assert.That(file.Entries.Keys.Select(key => file.Read(key).isfinite().all().item<bool>()), Is.Not.Empty.And.All.True);
    }

    [Test]
    public void TheAverageIsRescuedWhereItWouldBeReturned()
    {
        VideoAlignmentOptions options = Options() with { EmaDecay = 0.5 };
        TrainingStepException error = Failed(options, new Scripted { Throw = call => call == 5 ? new TimeoutException() : null });
        byte[] rescued = File.ReadAllBytes(error.LastGoodWeights!);
        Assert.That(rescued, Is.EqualTo(Weights(options with { Steps = 3 })).And.Not.EqualTo(Weights(Options() with { Steps = 3 })));
        Assert.That(error.Message, Does.Contain("The weights after step 3 (their running average) are in"));
    }

    /// <summary>Held-out scores fall after the first measurement.</summary>
    [Test]
    public void TheBestAreRescuedWhereTheyWouldBeReturned()
    {
        VideoAlignmentOptions options = Options() with { HeldOutPrompts = ["unseen"], HeldOutEvery = 1, KeepBest = true };
        var reward = new Scripted { Throw = call => call == 5 ? new TimeoutException() : null, HeldOut = call => -call };
        TrainingStepException error = Failed(options, reward);
        Assert.That((error.Step, error.LastGoodStep), Is.EqualTo((4, 1)));
        Assert.That(File.ReadAllBytes(error.LastGoodWeights!), Is.EqualTo(Weights(Options() with { Steps = 1 })));
        Assert.That(error.Message, Does.Contain("The weights of step 1 (the best in validation so far) are in"));
    }

    /// <summary>While the average is measured it stands in the factors' place.</summary>
    [Test]
    public void AFailureWhileTheAverageIsMeasuredRescuesTheAverage()
    {
        VideoAlignmentOptions options = Options() with { EmaDecay = 0.5, HeldOutPrompts = ["unseen"], HeldOutEvery = 3 };
        TrainingStepException error = Failed(options, new Scripted { ThrowHeldOut = _ => new TimeoutException() });
        Assert.That(File.ReadAllBytes(error.LastGoodWeights!), Is.EqualTo(Weights(options with { Steps = 3, HeldOutPrompts = [] })));
    }

    [Test]
    public void ARecoveryFileGoesIntoTheFolderOfCheckpointsWhereThereIsOne()
    {
        string checkpoints = _folder.Path("checkpoints");
        TrainingStepException error =
            Failed(Options() with { CheckpointFolder = checkpoints }, new Scripted { Throw = call => call == 3 ? new TimeoutException() : null });
        Assert.That(Path.GetDirectoryName(error.LastGoodWeights), Is.EqualTo(checkpoints));
    }

    [Test]
    public void WithoutAnyPlaceToWriteTheFailureIsToldAndTheWeightsAreInMemory()
    {
        var thrown = new TimeoutException("service gone");
        TrainingStepException error = Failed(Options(), new Scripted { Throw = call => call == 4 ? thrown : null }, temporary: Unwritable());
        string saved = _folder.Path("saved.safetensors");
        error.SaveAdapters(saved);
        using (Assert.EnterMultipleScope())
        {
            Assert.That((error.Step, error.InnerException, error.LastGoodWeights), Is.EqualTo((3, (Exception)thrown, (string?)null)));
            Assert.That(error.Message, Does.Contain("service gone").And.Contain(Unwritable()).And.Contain(nameof(error.SaveAdapters)));
            Assert.That(File.ReadAllBytes(saved), Is.EqualTo(Weights(Options() with { Steps = 2 })));
        }
    }

    [Test]
    public void RunningOutOfMemoryInMidRunKeepsTheWeights()
    {
        DoorRig rig = Rig(_folder.Path("temporary"));
        VideoAlignmentEstimator estimator = Estimator(rig, Options(),
            new Scripted { Throw = call => call == 4 ? new InvalidOperationException("DefaultCPUAllocator: can't allocate memory") : null });
        InsufficientMemoryException error = Assert.Throws<InsufficientMemoryException>(() => estimator.Fit(rig.Prompts))!;
        Assert.That(error.InnerException, Is.TypeOf<TrainingStepException>().With.Property(nameof(TrainingStepException.LastGoodStep)).EqualTo(2));
        string path = ((TrainingStepException)error.InnerException!).LastGoodWeights!;
        Assert.That(error.Message, Does.Contain(path));
        Assert.That(File.ReadAllBytes(path), Is.EqualTo(Weights(Options() with { Steps = 2 })));
    }

    /// <summary>The estimate that the message of a shortage holds is made with what memory is left.</summary>
    [Test]
    public void AnEstimateThatFailsDoesNotHideTheShortage()
    {
        using VideoDiffusionModel model = TinyModel.Load();
        using VideoReward reward = new Greedy();
        var context = new MLContext(seed: 1);
        IDataView prompts = context.Data.LoadFromEnumerable([new PromptRow { Prompt = "a red circle" }]);
        var options = new VideoAlignmentOptions { Frames = 3, Height = 16, Width = 16, InferenceSteps = 2, Steps = 1, LoraRank = 2 };
        VideoAlignmentEstimator estimator = context.Transforms.AlignVideoDiffusion("Video", "Prompt", model, reward, options);
        Assert.That(() => estimator.Fit(prompts), Throws.TypeOf<InsufficientMemoryException>().With.InnerException.TypeOf<InvalidOperationException>());
    }

    [TestCaseSource(nameof(Algorithms))]
    public void AFailedFitLeavesTheModelAsItWas(AlignmentAlgorithm algorithm)
    {
        DoorRig rig = Rig(_folder.Path("temporary"));
        VideoAlignmentTransformer earlier = Estimator(rig, Options() with { Steps = 2 }).Fit(rig.Prompts);
        float[][] aligned = Videos(earlier), plain = Videos(earlier.WithoutAlignment("Base"));
        Assert.That(aligned, Is.Not.EqualTo(plain));
        var reward = new Scripted();
        VideoAlignmentOptions options =
            Options() with { Algorithm = algorithm, EmaDecay = 0.5, Progress = new Told(step => reward.Throw = _ => new TimeoutException()) };
        Assert.Throws<TrainingStepException>(() => Estimator(rig, options, reward).Fit(rig.Prompts));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Videos(earlier), Is.EqualTo(aligned));
            Assert.That(Videos(earlier.WithoutAlignment("Base")), Is.EqualTo(plain));
            Assert.That(rig.Model.Model.RecomputeBlocks, Is.False);
            Assert.That(RunContext.Observer<CpuOffloader>(), Is.Null);
        }

        float[][] Videos(VideoAlignmentTransformer transformer) => EstimatorContract.Values(transformer.Transform(rig.Prompts));
    }

    [Test]
    public void ACancellationInTheBackwardPassReturnsTheLastStepsWeights()
    {
        using var source = new CancellationTokenSource();
        int blocks = 0;
        using VideoReward reward = VideoRewards.Custom("recomputed", (frames, _) => Recompute.Run(Score, frames));
        Assert.That(Weights(Options() with { CancellationToken = source.Token }, reward), Is.EqualTo(Weights(Options() with { Steps = 2 })));
        Assert.That(blocks, Is.EqualTo(8), "forward and backward of the trial call and of three steps");

        Tensor Score(IReadOnlyList<Tensor> given)
        {
            if (++blocks == 8)
            {
                source.Cancel();
                source.Token.ThrowIfCancellationRequested();
            }

            return given[0].mean([1L, 2L, 3L, 4L]);
        }
    }

    /// <summary>
    /// In the second of three micro-batches; where videos are made before all of them, with the last score, after which nothing more is sampled.
    /// </summary>
    [TestCaseSource(nameof(Algorithms))]
    public void ACancellationBetweenMicroBatchesReturnsTheLastStepsWeights(AlignmentAlgorithm algorithm)
    {
        using var source = new CancellationTokenSource();
        VideoAlignmentOptions options = Options() with { AccumulationSteps = 3, Algorithm = algorithm };
        var calls = new List<int>();
        int cancelAt = int.MaxValue, call = 0;
        Scripted Counting() => new()
        {
            Told = () =>
            {
                if (++call == cancelAt)
                {
                    source.Cancel();
                }
            },
        };
        byte[] expected = Weights(options with { Steps = 2 });
        Weights(options with { Steps = 3, Progress = new Told(_ => calls.Add(call)) }, Counting());
        Assert.That(calls[2], Is.GreaterThan(calls[1]), "the third step scores videos of its own");
        cancelAt = algorithm.NeedsRewardGradient ? calls[1] + 2 : calls[2];
        call = 0;
        Assert.That(Weights(options with { CancellationToken = source.Token }, Counting()), Is.EqualTo(expected));
        Assert.That(call, Is.EqualTo(cancelAt), "it was canceled, and no more was scored");
    }

    [TestCase(false)]
    [TestCase(true)]
    public void ACancellationInAHeldOutMeasurementReturnsTheLastStepsWeights(bool throws)
    {
        using var source = new CancellationTokenSource();
        VideoAlignmentOptions options = Options() with { HeldOutPrompts = ["unseen", "unseen too", "and one more"], HeldOutEvery = 2, EmaDecay = 0.5 };
        var reward = new Scripted
        {
            ThrowHeldOut = _ =>
            {
                source.Cancel();
                return throws ? new OperationCanceledException() : null;
            },
        };
        Assert.That(Weights(options with { CancellationToken = source.Token }, reward), Is.EqualTo(Weights(options with { Steps = 2, HeldOutPrompts = [] })));
        Assert.That(reward.HeldOutCalls, Is.EqualTo(1), "the rest of the measurement is not waited for");
    }

    [Test]
    public void ACallbackThatPassesTheRunsCancellationOnEndsTheRunAsCanceled()
    {
        using var source = new CancellationTokenSource();
        Told progress = new(step =>
        {
            if (step.Step == 2)
            {
                source.Cancel();
                source.Token.ThrowIfCancellationRequested();
            }
        });
        Assert.That(Weights(Options() with { CancellationToken = source.Token, Progress = progress }), Is.EqualTo(Weights(Options() with { Steps = 2 })));
    }

    /// <summary>As a task that is waited for hands it on.</summary>
    [Test]
    public void TheRunsCancellationCountsInsideAnAggregateToo()
    {
        using var source = new CancellationTokenSource();
        var reward = new Scripted
        {
            Throw = call =>
            {
                if (call < 4)
                {
                    return null;
                }

                source.Cancel();
                return new AggregateException(new TaskCanceledException());
            },
        };
        Assert.That(Weights(Options() with { CancellationToken = source.Token }, reward), Is.EqualTo(Weights(Options() with { Steps = 2 })));
    }

    [Test]
    public void AFolderOfCheckpointsThatCannotBeWrittenIsToldBeforeTheFirstStep()
    {
        DoorRig rig = Rig(_folder.Path("temporary"));
        string folder = Unwritable();
        string[] before = [.. Directory.EnumerateFileSystemEntries(_folder.ToString(), "*", SearchOption.AllDirectories)];
        Assert.That(
            () => Estimator(rig, Options() with { CheckpointFolder = folder }).Fit(rig.Prompts),
            Throws.TypeOf<IOException>().With.Message.Contains(nameof(VideoAlignmentOptions.CheckpointFolder)).And.Message.Contains(folder)
                .And.Message.Contains("Name a writable folder"));
        Assert.That(rig.Model.GradientVideos, Is.Zero);
        Assert.That(Directory.EnumerateFileSystemEntries(_folder.ToString(), "*", SearchOption.AllDirectories), Is.EqualTo(before));
    }

    [Test]
    public void TryingAFolderLeavesNothingInIt()
    {
        string checkpoints = _folder.Path(Path.Combine("new", "checkpoints"));
        bool? there = null;
        Weights(Options()
            with
        { CheckpointFolder = checkpoints, CheckpointEvery = 4, Progress = new Told(_ => there ??= Directory.Exists(_folder.Path("new"))) });
        Assert.That(there, Is.False, "what was made for the trial is gone");
        Assert.That(Directory.EnumerateFiles(checkpoints).Select(Path.GetFileName), Is.EqualTo(new[] { "step-4.safetensors" }));
    }

    private static VideoAlignmentOptions Options() => DoorRig.ThreeSteps with { Steps = Steps };

    private static void Throw(bool now, Exception thrown)
    {
        if (now)
        {
            throw thrown;
        }
    }

    /// <summary>Below a file no folder can be made, whoever asks.</summary>
    private string Unwritable() => Path.Combine(_folder.Write("file", []), "folder");

    private static DoorRig Rig(string temporary)
    {
        var rig = new DoorRig();
        rig.Context.TempFilePath = temporary;
        return rig;
    }

    private static VideoAlignmentEstimator Estimator(DoorRig rig, VideoAlignmentOptions options, VideoReward? reward = null) =>
        new(rig.Context, new AlignmentColumns("Video", "Prompt", null, null), rig.Model, reward ?? new Scripted(), options);

    private TrainingStepException Failed(VideoAlignmentOptions options, VideoReward? reward = null, string? temporary = null, Action<string>? log = null)
    {
        DoorRig rig = Rig(temporary ?? _folder.Path("temporary"));
        if (log is not null)
        {
            rig.Context.Log += (_, message) => log(message.RawMessage);
        }

        return Assert.Throws<TrainingStepException>(() => Estimator(rig, options, reward).Fit(rig.Prompts))!;
    }

    /// <summary>What Fit returns under these options, as it is saved.</summary>
    private byte[] Weights(VideoAlignmentOptions options, VideoReward? reward = null)
    {
        DoorRig rig = Rig(_folder.Path("temporary"));
        string path = _folder.Path($"{Guid.NewGuid():N}.safetensors");
        Estimator(rig, options, reward).Fit(rig.Prompts).SaveAdapters(path);
        return File.ReadAllBytes(path);
    }

    private sealed class Told(Action<VideoAlignmentProgress> tell) : IProgress<VideoAlignmentProgress>
    {
        public void Report(VideoAlignmentProgress value) => tell(value);
    }

    /// <summary>
    /// Mean brightness, until the script says otherwise. Calls are counted from 1, the trial call before the first step included; those of validation apart.
    /// </summary>
    private sealed class Scripted : VideoReward
    {
        private int _calls;

        public Func<int, Exception?>? Throw { get; set; }

        public Func<int, Exception?>? ThrowHeldOut { get; init; }

        public Func<int, double>? HeldOut { get; init; }

        public Func<int, double>? Factor { get; init; }

        public Func<int, long[]?>? Shape { get; init; }

        public Action? Told { get; init; }

        public Action? Begin { get; init; }

        public int HeldOutCalls { get; private set; }

        public override string Name => "scripted";

        public override RewardContract Contract { get; } = new();

        public override void MoveTo(Device device)
        {
        }

        protected internal override void BeginTraining() => Begin?.Invoke();

        protected override Tensor ScoreCore(Tensor frames, IReadOnlyList<string> prompts)
        {
            Told?.Invoke();
            bool heldOut = !frames.requires_grad && prompts.Any(static prompt => prompt.Contains("unseen", StringComparison.Ordinal));
            int call = heldOut ? ++HeldOutCalls : ++_calls;
            if ((heldOut ? ThrowHeldOut : Throw)?.Invoke(call) is { } thrown)
            {
                throw thrown;
            }

            Tensor score = frames.mean([1L, 2L, 3L, 4L]);
            score = heldOut && HeldOut is { } script ? zeros_like(score) + script(call) : score * (Factor?.Invoke(call) ?? 1);
            return Shape?.Invoke(call) is { } shape ? score.expand(shape) : score;
        }
    }

    /// <summary>Takes more than there is, for its estimate too.</summary>
    private sealed class Greedy : VideoReward
    {
        public override string Name => "greedy";

        public override RewardContract Contract { get; } = new();

        public override void MoveTo(Device device)
        {
        }

        protected internal override VideoReward? ToMeta() => throw new InvalidOperationException("can't allocate memory");

        protected override Tensor ScoreCore(Tensor frames, IReadOnlyList<string> prompts) => throw new InvalidOperationException("can't allocate memory");
    }
}
