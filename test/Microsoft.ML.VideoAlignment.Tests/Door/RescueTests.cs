using System.Net.Sockets;
using Microsoft.ML.VideoAlignment.MLNet;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Whatever fails after the first step, the weights that Fit would have returned after the last finished one are there.</summary>
[NonParallelizable]
public class RescueTests : RescueFixture
{
    /// <summary>A request that timed out looks like a cancellation, and is none of the run's.</summary>
    [TestCaseSource(nameof(Algorithms))]
    public void ARewardThatTimesOutIsAFailureAndNotTheEndOfTheRun(AlignmentAlgorithm algorithm)
    {
        var thrown = new TaskCanceledException("the scoring service took too long");
        var reward = new ScriptedReward();
        VideoAlignmentOptions options = Options() with { Algorithm = algorithm };
        TrainingStepException error =
            Failed(options, reward, control: new RunControl { Progress = new ProgressCallback(step => reward.Throw = step.Step == 2 ? _ => thrown : null) });
        Assert.That((error.Step, error.LastGoodStep, error.InnerException), Is.EqualTo((3, 2, (Exception)thrown)));
        Assert.That(File.ReadAllBytes(error.LastGoodWeights!), Is.EqualTo(Weights(options with { Optimizer = options.Optimizer with { Steps = 2 } })));
    }

    [Test]
    public void ATokenThatMayBeCanceledDoesNotMakeATimeoutTheRuns()
    {
        using var source = new CancellationTokenSource();
        var reward = new ScriptedReward { Throw = call => call == 3 ? new OperationCanceledException(new CancellationToken(canceled: true)) : null };
        Assert.That(Failed(Options(), reward, control: new RunControl { CancellationToken = source.Token }).InnerException,
            Is.TypeOf<OperationCanceledException>());
    }

    [TestCase(typeof(TimeoutException))]
    [TestCase(typeof(OperationCanceledException))]
    public void AProgressCallbackThatThrowsLosesNothing(Type type)
    {
        var thrown = (Exception)Activator.CreateInstance(type)!;
        TrainingStepException error = Failed(Options(), control: new RunControl { Progress = new ProgressCallback(step => Throw(step.Step == 2, thrown)) });
        Assert.That((error.Step, error.LastGoodStep, error.InnerException), Is.EqualTo((2, 2, thrown)), "the weights are those of the step that was reported");
        Assert.That(File.ReadAllBytes(error.LastGoodWeights!), Is.EqualTo(Weights(Options(steps: 2))));
    }

    /// <summary>A callback that trains another model, say.</summary>
    [Test]
    public void AnotherRunsFailureInsideThisOneIsAFailureOfThisOne()
    {
        TrainingStepException? other = null;
        ProgressCallback progress = new(step =>
        {
            if (step.Step == 2)
            {
                throw other = Failed(Options(), new ScriptedReward { Throw = call => call == 2 ? new TimeoutException() : null });
            }
        });
        TrainingStepException error = Failed(Options(), control: new RunControl { Progress = progress });
        Assert.That((error.LastGoodStep, error.InnerException), Is.EqualTo((2, (Exception?)other)));
        Assert.That(File.ReadAllBytes(error.LastGoodWeights!), Is.EqualTo(Weights(Options(steps: 2))));
    }

    [Test]
    public void AHeldOutMeasurementThatThrowsLosesNothing()
    {
        var thrown = new SocketException();
        var reward = new ScriptedReward { ThrowHeldOut = _ => thrown };
        VideoAlignmentOptions options = Options() with { Validation = Options().Validation with { Prompts = ["unseen"], Every = 2 } };
        TrainingStepException error = Failed(options, reward);
        Assert.That((error.Step, error.LastGoodStep, error.InnerException), Is.EqualTo((2, 2, (Exception)thrown)));
        Assert.That(File.ReadAllBytes(error.LastGoodWeights!), Is.EqualTo(Weights(Options(steps: 2))));
    }

    [Test]
    public void ACheckpointThatCannotBeWrittenLosesNothing()
    {
        string checkpoints = Folder.Path("checkpoints");
        TrainingStepException error =
            Failed(Options(), control: new RunControl
            {
                CheckpointFolder = checkpoints,
                CheckpointEvery = 2,
                Progress = new ProgressCallback(step =>
            {
                if (step.Step == 1)
                {
                    File.WriteAllText(checkpoints, "in the way");
                }
            })
            });
        Assert.That((error.Step, error.LastGoodStep), Is.EqualTo((2, 2)));
        Assert.That(error.InnerException, Is.InstanceOf<IOException>());
        Assert.That(Path.GetDirectoryName(error.LastGoodWeights), Is.EqualTo(Folder.Path("temporary")), "the second choice");
        Assert.That(File.ReadAllBytes(error.LastGoodWeights!), Is.EqualTo(Weights(Options(steps: 2))));
    }

    /// <summary>The last one is written when training is over.</summary>
    [TestCase("Step 2/", 2)]
    [TestCase("The transformer has the weights of step", Steps)]
    public void ALogThatThrowsLosesNothing(string message, int step)
    {
        var thrown = new IOException("the log's disk is full");
        VideoAlignmentOptions options = Options() with { Validation = Options().Validation with { Prompts = ["unseen"], Every = Steps, KeepBest = true } };
        TrainingStepException error = Failed(options, log: text => Throw(text.StartsWith(message, StringComparison.Ordinal), thrown));
        Assert.That((error.Step, error.LastGoodStep, error.InnerException), Is.EqualTo((step, step, (Exception)thrown)));
        Assert.That(File.ReadAllBytes(error.LastGoodWeights!), Is.EqualTo(Weights(Options(steps: step))));
    }

    [Test]
    public void ARewardThatBreaksItsContractInMidRunLosesNothing()
    {
        var reward = new ScriptedReward { Shape = call => call == 4 ? [1, 1] : null };
        TrainingStepException error = Failed(Options(), reward);
        Assert.That(error.InnerException, Is.TypeOf<RewardContractException>(), "it is still known for what it is");
        Assert.That((error.Step, error.LastGoodStep), Is.EqualTo((3, 2)));
        Assert.That(File.ReadAllBytes(error.LastGoodWeights!), Is.EqualTo(Weights(Options(steps: 2))));
    }

    [Test]
    public void ARewardThatBreaksItsContractInTheFirstStepIsPlain()
    {
        var rig = new DoorRig { Reward = new FakeReward() };
        var reward = new ScriptedReward { Shape = call => call == 2 ? [1, 1] : null };
        var estimator =
            new VideoAlignmentEstimator(rig.Context, new AlignmentColumns("Video", "Prompt", null, null), rig.Model, reward, Options(), new RunControl());
        Assert.That(() => estimator.Fit(rig.Prompts), Throws.TypeOf<RewardContractException>());
    }

    [Test]
    public void WhatFailsBeforeTheFirstStepIsPlainAndWritesNothing()
    {
        var thrown = new TimeoutException();
        DoorRig rig = Rig(Folder.Path("temporary"));
        Assert.That(() => Estimator(rig, Options(), new ScriptedReward { Begin = () => throw thrown }).Fit(rig.Prompts), Throws.Exception.SameAs(thrown));
        Assert.That(Directory.EnumerateFileSystemEntries(Folder.ToString()), Is.Empty);
    }

    [Test]
    public void ARunThatCannotLearnStopsWithItsWeights()
    {
        var reward = new ScriptedReward { Factor = call => call == 1 ? 1 : 0 };
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
        VideoAlignmentOptions options = Options() with
        {
            Optimizer = Options().Optimizer with { LearningRate = rate, WeightDecay = decay, Epsilon = epsilon, Steps = steps },
        };
        TrainingStepException error = Failed(options);
        Assert.That((error.Step, error.LastGoodStep, error.InnerException), Is.EqualTo((1, 0, (Exception?)null)));
        Assert.That(error.Message, Does.Contain("the update").And.Contain(named).And.Contain("is not finite"));
        using var file = new Microsoft.ML.VideoAlignment.Weights.SafetensorsFile(error.LastGoodWeights!);
        Assert.That(file.Entries.Keys.Select(key => file.Read(key).isfinite().all().item<bool>()), Is.Not.Empty.And.All.True);
    }

    [Test]
    public void TheAverageIsRescuedWhereItWouldBeReturned()
    {
        VideoAlignmentOptions options = Options() with { Optimizer = Options().Optimizer with { EmaDecay = 0.5 } };
        TrainingStepException error = Failed(options, new ScriptedReward { Throw = call => call == 5 ? new TimeoutException() : null });
        byte[] rescued = File.ReadAllBytes(error.LastGoodWeights!);
        Assert.That(rescued,
            Is.EqualTo(Weights(options with { Optimizer = options.Optimizer with { Steps = 3 } })).And.Not.EqualTo(Weights(Options(steps: 3))));
        Assert.That(error.Message, Does.Contain("The weights after step 3 (their running average) are in"));
    }

    /// <summary>Held-out scores fall after the first measurement.</summary>
    [Test]
    public void TheBestAreRescuedWhereTheyWouldBeReturned()
    {
        VideoAlignmentOptions options = Options() with { Validation = Options().Validation with { Prompts = ["unseen"], Every = 1, KeepBest = true } };
        var reward = new ScriptedReward { Throw = call => call == 5 ? new TimeoutException() : null, HeldOut = call => -call };
        TrainingStepException error = Failed(options, reward);
        Assert.That((error.Step, error.LastGoodStep), Is.EqualTo((4, 1)));
        Assert.That(File.ReadAllBytes(error.LastGoodWeights!), Is.EqualTo(Weights(Options(steps: 1))));
        Assert.That(error.Message, Does.Contain("The weights of step 1 (the best in validation so far) are in"));
    }

    /// <summary>While the average is measured it stands in the factors' place.</summary>
    [Test]
    public void AFailureWhileTheAverageIsMeasuredRescuesTheAverage()
    {
        VideoAlignmentOptions options = Options() with
        {
            Optimizer = Options().Optimizer with { EmaDecay = 0.5 },
            Validation = Options().Validation with { Prompts = ["unseen"], Every = 3 },
        };
        TrainingStepException error = Failed(options, new ScriptedReward { ThrowHeldOut = _ => new TimeoutException() });
        Assert.That(File.ReadAllBytes(error.LastGoodWeights!),
            Is.EqualTo(Weights(options with { Optimizer = options.Optimizer with { Steps = 3 }, Validation = options.Validation with { Prompts = [] } })));
    }

    [Test]
    public void ARecoveryFileGoesIntoTheFolderOfCheckpointsWhereThereIsOne()
    {
        string checkpoints = Folder.Path("checkpoints");
        TrainingStepException error =
            Failed(Options(), new ScriptedReward { Throw = call => call == 3 ? new TimeoutException() : null },
                control: new RunControl { CheckpointFolder = checkpoints });
        Assert.That(Path.GetDirectoryName(error.LastGoodWeights), Is.EqualTo(checkpoints));
    }

    [Test]
    public void WithoutAnyPlaceToWriteTheFailureIsToldAndTheWeightsAreInMemory()
    {
        var thrown = new TimeoutException("service gone");
        TrainingStepException error = Failed(Options(), new ScriptedReward { Throw = call => call == 4 ? thrown : null }, temporary: Unwritable());
        string saved = Folder.Path("saved.safetensors");
        error.SaveAdapters(saved);
        using (Assert.EnterMultipleScope())
        {
            Assert.That((error.Step, error.InnerException, error.LastGoodWeights), Is.EqualTo((3, (Exception)thrown, (string?)null)));
            Assert.That(error.Message, Does.Contain("service gone").And.Contain(Unwritable()).And.Contain(nameof(error.SaveAdapters)));
            Assert.That(File.ReadAllBytes(saved), Is.EqualTo(Weights(Options(steps: 2))));
        }
    }

    [Test]
    public void RunningOutOfMemoryInMidRunKeepsTheWeights()
    {
        DoorRig rig = Rig(Folder.Path("temporary"));
        VideoAlignmentEstimator estimator = Estimator(rig, Options(),
            new ScriptedReward { Throw = call => call == 4 ? new InvalidOperationException("DefaultCPUAllocator: can't allocate memory") : null });
        InsufficientMemoryException error = Assert.Throws<InsufficientMemoryException>(() => estimator.Fit(rig.Prompts))!;
        Assert.That(error.InnerException, Is.TypeOf<TrainingStepException>().With.Property(nameof(TrainingStepException.LastGoodStep)).EqualTo(2));
        string path = ((TrainingStepException)error.InnerException!).LastGoodWeights!;
        Assert.That(error.Message, Does.Contain(path));
        Assert.That(File.ReadAllBytes(path), Is.EqualTo(Weights(Options(steps: 2))));
    }

    /// <summary>The estimate that the message of a shortage holds is made with what memory is left.</summary>
    [Test]
    public void AnEstimateThatFailsDoesNotHideTheShortage()
    {
        using VideoDiffusionModel model = TinyModel.Load();
        using VideoReward reward = new Greedy();
        var context = new MLContext(seed: 1);
        IDataView prompts = context.Data.LoadFromEnumerable([new PromptRow { Prompt = "a red circle" }]);
        var options = new VideoAlignmentOptions
        {
            Sampling = new() { Frames = 3, Height = 16, Width = 16, Steps = 2 },
            Lora = new() { Rank = 2 },
            Optimizer = new() { Steps = 1 },
        };
        VideoAlignmentEstimator estimator = context.Transforms.AlignVideoDiffusion("Video", "Prompt", model, reward, options);
        Assert.That(() => estimator.Fit(prompts), Throws.TypeOf<InsufficientMemoryException>().With.InnerException.TypeOf<InvalidOperationException>());
    }

    [TestCaseSource(nameof(Algorithms))]
    public void AFailedFitLeavesTheModelAsItWas(AlignmentAlgorithm algorithm)
    {
        DoorRig rig = Rig(Folder.Path("temporary"));
        VideoAlignmentTransformer earlier = Estimator(rig, Options(steps: 2)).Fit(rig.Prompts);
        float[][] aligned = Videos(earlier), plain = Videos(earlier.WithoutAlignment("Base"));
        Assert.That(aligned, Is.Not.EqualTo(plain));
        var reward = new ScriptedReward();
        VideoAlignmentOptions options = Options() with { Optimizer = Options().Optimizer with { EmaDecay = 0.5 }, Algorithm = algorithm };
        var control = new RunControl { Progress = new ProgressCallback(step => reward.Throw = _ => new TimeoutException()) };
        Assert.Throws<TrainingStepException>(() => Estimator(rig, options, reward, control).Fit(rig.Prompts));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Videos(earlier), Is.EqualTo(aligned));
            Assert.That(Videos(earlier.WithoutAlignment("Base")), Is.EqualTo(plain));
            Assert.That(Recompute.IsActive, Is.False);
            Assert.That(RunContext.Observer<CpuOffloader>(), Is.Null);
        }

        float[][] Videos(VideoAlignmentTransformer transformer) => EstimatorContract.Values(transformer.Transform(rig.Prompts));
    }

    [Test]
    public void AFolderOfCheckpointsThatCannotBeWrittenIsToldBeforeTheFirstStep()
    {
        DoorRig rig = Rig(Folder.Path("temporary"));
        string folder = Unwritable();
        string[] before = [.. Directory.EnumerateFileSystemEntries(Folder.ToString(), "*", SearchOption.AllDirectories)];
        Assert.That(
            () => Estimator(rig, Options(), control: new RunControl { CheckpointFolder = folder }).Fit(rig.Prompts),
            Throws.TypeOf<IOException>().With.Message.Contains(nameof(RunControl.CheckpointFolder)).And.Message.Contains(folder)
                .And.Message.Contains("Name a writable folder"));
        Assert.That(rig.Model.GradientVideos, Is.Zero);
        Assert.That(Directory.EnumerateFileSystemEntries(Folder.ToString(), "*", SearchOption.AllDirectories), Is.EqualTo(before));
    }

    [Test]
    public void TryingAFolderLeavesNothingInIt()
    {
        string checkpoints = Folder.Path(Path.Combine("new", "checkpoints"));
        bool? there = null;
        Weights(Options(), control: new RunControl
        {
            CheckpointFolder = checkpoints,
            CheckpointEvery = 4,
            Progress = new ProgressCallback(_ => there ??= Directory.Exists(Folder.Path("new")))
        });
        Assert.That(there, Is.False, "what was made for the trial is gone");
        Assert.That(Directory.EnumerateFiles(checkpoints).Select(Path.GetFileName), Is.EqualTo(new[] { "step-4.safetensors" }));
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
