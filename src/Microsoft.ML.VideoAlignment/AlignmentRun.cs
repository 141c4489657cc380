using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Pipelines;
using Microsoft.ML.VideoAlignment.Runs;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Training;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment;

/// <summary>One training run: options resolved for a model and a reward, and the trainer that follows them.</summary>
internal sealed record AlignmentRun(
    VideoDiffusionModel Model, VideoReward Reward, VideoAlignmentOptions Options, int Seed, IReadOnlyList<VideoPrompt> Prompts,
    IReadOnlyList<VideoPrompt> HeldOut, string TemporaryFolder)
{
    /// <summary>Keeps the numbers of the factors' start apart from those of the noise, which come from the same seed.</summary>
    private const ulong FactorStream = 0x4C6F5241;

    /// <summary>Where it trains; null: where the model is.</summary>
    public Device? Place { get; init; }

    public SamplingSettings Sampling { get; } = Options.SamplingFor(Model);

    public GradientWindow Window { get; } = Options.WindowFor(Model);

    public RewardFrames Frames { get; } = Options.FramesFor(Reward);

    public RewardLoss Loss { get; } = Options.Loss ?? RewardLoss.ForReward(Reward.Contract);

    /// <summary>Where the run's states go, and where it goes on; null: nowhere.</summary>
    public RunFolder? Folder { get; init; }

    /// <summary>Trains, with the model's slots to itself.</summary>
    /// <param name="onStep">Told of each step.</param>
    /// <param name="warn">Told what looks wrong.</param>
    public AlignmentOutcome Train(Action<VideoAlignmentProgress> onStep, Action<string> warn) => Train(onStep, warn, static outcome => outcome);

    /// <inheritdoc cref="Train(Action{VideoAlignmentProgress}, Action{string})"/>
    /// <param name="onStep">Told of each step.</param>
    /// <param name="warn">Told what looks wrong.</param>
    /// <param name="complete">Makes what is wanted of the outcome; what it throws does not lose the weights either.</param>
    /// <exception cref="TrainingStepException">Something failed after the first step had begun.</exception>
    /// <exception cref="IOException">The folder of checkpoints cannot be written; no step has begun.</exception>
    public T Train<T>(Action<VideoAlignmentProgress> onStep, Action<string> warn, Func<AlignmentOutcome, T> complete) => AdapterHost.For(Model).RunDetached(() =>
    {
        using IDisposable used = RewardDevices.Use(Reward, Model.Device, alone: MovesIdleNetworks);
        (ActivationMemory activations, bool steps) = (Model.Activations, Model.RecomputeSteps);
        using var generator = new Generator(unchecked((ulong)Seed) ^ FactorStream);
        using LoraAdapters adapters = LoraAdapters.Attach(Model.Denoiser, Options.LoraTargets, Options.LoraRank, Options.LoraAlpha, generator);
        if (Options.CheckpointFolder is { } folder)
        {
            WritableFolder.Require(folder, nameof(Options.CheckpointFolder), AdapterFile.Write(adapters));
        }

        CpuOffloader? idle = Idle();
        using IDisposable context = RunContext.Begin(Model.Device.type);
        using IDisposable? offloading = idle is null ? null : RunContext.Observe(idle);
        using AlignmentTrainer trainer = Trainer(adapters, OfAlgorithm(Settings() with { Checkpoint = Keep }));
        return trainer.Rescued(() =>
        {
            T result;
            try
            {
                (Model.Activations, Model.RecomputeSteps) = (Options.Activations, Options.Recompute == ActivationRecompute.Steps);
                result = complete(Run());
            }
            catch (Exception)
            {
                RestoreAfterFailure();
                throw;
            }

            Restore();
            return result;
        });

        AlignmentOutcome Run()
        {
            int done = trainer.Train(Prompts, Report, warn, Options.CancellationToken);
            if (trainer is DiffusionDpoTrainer { Ties: > 0 and var ties })
            {
                warn($"{ties} prompts gave no pair: all of their videos scored alike.");
            }

            return new AlignmentOutcome
            {
                Adapters = AdapterFile.Write(adapters),
                Steps = done,
                KeptStep = trainer.KeptStep,
                StoppedEarly = trainer.StoppedEarly,
                RewardQueries = trainer.Work.RewardQueries,
                DenoiserEvaluations = trainer.Work.DenoiserEvaluations,
            };
        }

        void Restore()
        {
            (Model.Activations, Model.RecomputeSteps) = (activations, steps);
            offloading?.Dispose();
            idle?.RestoreAll();
        }

        // The first failure is the one to tell: one that follows from it must not take its place.
        void RestoreAfterFailure()
        {
            try
            {
                Restore();
            }
            catch (Exception second)
            {
                try
                {
                    warn($"After a failure networks that waited in the CPU's memory could not be brought back ({second.Message}); load the model anew before using it again.");
                }
                catch (Exception)
                {
                    // A log that throws, too.
                }
            }
        }

        void Keep(int step)
        {
            byte[] content = AdapterFile.Write(adapters);
            Directory.CreateDirectory(Options.CheckpointFolder!);
            WrittenFile.Write(Path.Combine(Options.CheckpointFolder!, $"step-{step}.safetensors"), stream => stream.Write(content));
        }

        void Report(TrainingStep step) => onStep(new VideoAlignmentProgress
        {
            Step = step.Step,
            Steps = Options.Steps,
            Reward = step.Reward,
            Loss = step.Loss,
            GradientNorm = step.GradientNorm,
            ValidationEvaluator = step.ValidationEvaluator,
            RewardQueries = trainer.Work.RewardQueries,
            HeldOutQueries = trainer.Work.HeldOutQueries,
            DenoiserEvaluations = trainer.Work.DenoiserEvaluations,
            PeakBytes = PeakMemory.OfProcess(),
            Elapsed = step.Elapsed,
        });
    }, Place);

    /// <summary>Whether networks wait in the CPU's memory. In a video clips run again out of order, and would want all of them all the time.</summary>
    private bool MovesIdleNetworks =>
        Options.OffloadIdleNetworks && Options.Algorithm.NeedsRewardGradient && Model.Device.type == DeviceType.CUDA && Options.SegmentCount == 1;

    /// <summary>Networks that wait in the CPU's memory; null: none do.</summary>
    private CpuOffloader? Idle() => !MovesIdleNetworks ? null : CpuOffloader.Create(Model, (name, working) =>
    {
        Device place = working ? Model.Device : CPU;
        if (name == CpuOffloader.Reward)
        {
            Reward.MoveTo(place);
        }
        else
        {
            Model.Networks[name].to(place);
        }
    });

    private AlignmentTrainer Trainer(LoraAdapters adapters, TrainingSettings settings) => settings switch
    {
        DdpoSettings ddpo => new DdpoTrainer(Model, Reward, adapters, ddpo),
        DiffusionDpoSettings dpo => new DiffusionDpoTrainer(Model, Reward, adapters, dpo),
        _ => new RewardGradientTrainer(Model, Reward, adapters, (RewardGradientSettings)settings),
    };

    /// <summary>What the algorithm's trainer is told.</summary>
    public TrainingSettings OfAlgorithm(RewardGradientSettings settings) => Options.Algorithm switch
    {
        AlignmentAlgorithm.Policy(var ddpo) => new DdpoSettings(settings, ddpo, Frames, Loss),
        AlignmentAlgorithm.Preferences(var dpo) => new DiffusionDpoSettings(settings, dpo, Frames, Loss),
        _ => settings,
    };

    /// <summary>What the trainer is told by options that are not of an algorithm of its own.</summary>
    public RewardGradientSettings Settings() => new()
    {
        Sampling = Sampling,
        Window = Window,
        Frames = Frames,
        FramesPerDecode = Options.FramesPerDecode,
        CarryGradientAcrossSegments = Options.CarryGradientAcrossSegments,
        Loss = Loss,
        Steps = Options.Steps,
        BatchSize = Options.BatchSize,
        Accumulation = Options.AccumulationSteps,
        LearningRate = Options.LearningRate,
        Beta1 = Options.Beta1,
        Beta2 = Options.Beta2,
        Epsilon = Options.Epsilon,
        WeightDecay = Options.WeightDecay,
        OptimizerState = Options.OptimizerState,
        MaxGradientNorm = Options.MaxGradientNorm,
        Seed = unchecked((ulong)Seed),
        HeldOutPrompts = HeldOut,
        HeldOutEvery = Options.HeldOutEvery,
        KeepBest = Options.KeepBest,
        Patience = Options.EarlyStopPatience,
        AverageDecay = Options.EmaDecay,
        CheckpointEvery = Options.CheckpointFolder is null ? null : Options.CheckpointEvery,
        BaseDistanceWeight = Options.KlWeight,
        RunFolder = Folder,
        StateEvery = Options.StateEvery,
        RecoveryFolders = [.. new[] { Options.CheckpointFolder, Options.RunFolder }.OfType<string>(), TemporaryFolder],
    };
}
