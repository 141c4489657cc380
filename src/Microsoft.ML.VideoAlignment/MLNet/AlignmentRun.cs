using Microsoft.ML.VideoAlignment.Algorithms;
using Microsoft.ML.VideoAlignment.Algorithms.Ddpo;
using Microsoft.ML.VideoAlignment.Algorithms.DiffusionDpo;
using Microsoft.ML.VideoAlignment.Algorithms.RewardGradient;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Memory;
using Microsoft.ML.VideoAlignment.Runs;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.MLNet;

/// <summary>One training run: options resolved for a model and a reward, and the trainer that follows them.</summary>
/// <param name="Model">The model to align.</param>
/// <param name="Reward">What to align to.</param>
/// <param name="Options">The validated options.</param>
/// <param name="Seed">The seed of everything random.</param>
/// <param name="Prompts">The training prompts.</param>
/// <param name="ValidationPrompts">The validation prompts; empty: none.</param>
/// <param name="TemporaryFolder">The folder that takes the weights of a failed run where no other folder does.</param>
internal sealed record AlignmentRun(
    VideoDiffusionModel Model, VideoReward Reward, VideoAlignmentOptions Options, int Seed, IReadOnlyList<VideoPrompt> Prompts,
    IReadOnlyList<VideoPrompt> ValidationPrompts, string TemporaryFolder)
{
    /// <summary>Separates the random numbers of the initial factors from those of the noise, which come from the same seed.</summary>
    private const ulong FactorStream = 0x4C6F5241;

    /// <summary>The device that trains; null: where the model is.</summary>
    public Device? TrainingDevice { get; init; }

    public SamplingSettings Sampling { get; } = Options.ResolveSampling(Model);

    public GradientWindow Window { get; } = Options.ResolveWindow(Model);

    public RewardFrames Frames { get; } = Options.ResolveFrames(Reward);

    public RewardLoss Loss { get; } = Options.Loss ?? RewardLoss.ForReward(Reward.Contract);

    /// <summary>The folder that the run's states are written to and resumed from; null: none.</summary>
    public RunFolder? Folder { get; init; }

    /// <summary>Trains, with exclusive use of the model's adapter slots.</summary>
    /// <param name="onStep">Receives the figures of each step.</param>
    /// <param name="warn">Receives warnings.</param>
    public AlignmentOutcome Train(Action<VideoAlignmentProgress> onStep, Action<string> warn) => Train(onStep, warn, static outcome => outcome);

    /// <inheritdoc cref="Train(Action{VideoAlignmentProgress}, Action{string})"/>
    /// <param name="onStep">Receives the figures of each step.</param>
    /// <param name="warn">Receives warnings.</param>
    /// <param name="complete">Makes the result from the outcome; an exception it throws does not lose the weights either.</param>
    /// <exception cref="TrainingStepException">Something failed after the first step had begun.</exception>
    /// <exception cref="IOException">The folder of checkpoints cannot be written; no step has begun.</exception>
    public T Train<T>(
        Action<VideoAlignmentProgress> onStep, Action<string> warn, Func<AlignmentOutcome, T> complete) => AdapterHost.ForModel(Model).RunDetached(() =>
    {
        using IDisposable used = RewardDevices.Use(Reward, Model.Device, alone: Options.OffloadsIdleNetworks(Model));
        (ActivationMemory activations, bool steps) = (Model.Activations, Model.RecomputeSteps);
        using var generator = new Generator(unchecked((ulong)Seed) ^ FactorStream);
        using LoraAdapters adapters = LoraAdapters.Attach(Model.Denoiser, Options.LoraTargetsFor(Model), Options.LoraRank, Options.LoraAlpha, generator);
        if (Options.CheckpointFolder is { } folder)
        {
            WritableFolder.Require(folder, nameof(Options.CheckpointFolder), AdapterFile.Write(adapters));
        }

        CpuOffloader? idle = Idle();
        using IDisposable context = RunContext.Begin(Model.Device.type);
        using IDisposable? offloading = idle is null ? null : RunContext.Observe(idle);
        using AlignmentTrainer trainer = Trainer(adapters, ForAlgorithm(Settings() with { Checkpoint = Keep }));
        return trainer.RunRescued(() =>
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

        // The first failure is the one to report: one that follows from it must not take its place.
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
                    warn($"After the failure, networks that were offloaded to the CPU could not be restored ({second.Message}). "
                        + "Load the model again before using it.");
                }
                catch (Exception)
                {
                    // The log throws as well.
                }
            }
        }

        void Keep(int step)
        {
            byte[] content = AdapterFile.Write(adapters);
            Directory.CreateDirectory(Options.CheckpointFolder!);
            AtomicFile.Write(Path.Combine(Options.CheckpointFolder!, $"step-{step}.safetensors"), stream => stream.Write(content));
        }

        void Report(TrainingStep step) => onStep(new VideoAlignmentProgress
        {
            Step = step.Step,
            Steps = Options.Steps,
            Reward = step.Reward,
            Loss = step.Loss,
            GradientNorm = step.GradientNorm,
            ValidationReward = step.ValidationReward,
            RewardQueries = trainer.Work.RewardQueries,
            HeldOutQueries = trainer.Work.ValidationQueries,
            DenoiserEvaluations = trainer.Work.DenoiserEvaluations,
            PeakBytes = PeakMemory.Measure(),
            Elapsed = step.Elapsed,
        });
    }, TrainingDevice);

    // null: nothing is offloaded.
    private CpuOffloader? Idle() => !Options.OffloadsIdleNetworks(Model) ? null : CpuOffloader.Create(Model, (name, working) =>
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

    /// <summary>Extends settings by what the algorithm's own trainer needs.</summary>
    /// <param name="settings">The settings that are common to all algorithms.</param>
    /// <returns>The settings of the algorithm's trainer.</returns>
    public TrainingSettings ForAlgorithm(RewardGradientSettings settings) => Options.Algorithm switch
    {
        AlignmentAlgorithm.Policy(var ddpo) => new DdpoSettings(settings, ddpo, Frames, Loss),
        AlignmentAlgorithm.Preferences(var dpo) => new DiffusionDpoSettings(settings, dpo, Frames, Loss),
        _ => settings,
    };

    /// <summary>Makes the trainer's settings from the options that do not belong to one algorithm.</summary>
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
        AccumulationSteps = Options.AccumulationSteps,
        LearningRate = Options.LearningRate,
        Beta1 = Options.Beta1,
        Beta2 = Options.Beta2,
        Epsilon = Options.Epsilon,
        WeightDecay = Options.WeightDecay,
        OptimizerState = Options.OptimizerState,
        MaxGradientNorm = Options.MaxGradientNorm,
        Seed = unchecked((ulong)Seed),
        ValidationPrompts = ValidationPrompts,
        ValidateEvery = Options.HeldOutEvery,
        KeepBest = Options.KeepBest,
        EarlyStopPatience = Options.EarlyStopPatience,
        EmaDecay = Options.EmaDecay,
        CheckpointEvery = Options.CheckpointFolder is null ? null : Options.CheckpointEvery,
        KlWeight = Options.KlWeight,
        RunFolder = Folder,
        StateEvery = Options.StateEvery,
        RecoveryFolders = [.. new[] { Options.CheckpointFolder, Options.RunFolder }.OfType<string>(), TemporaryFolder],
    };
}
