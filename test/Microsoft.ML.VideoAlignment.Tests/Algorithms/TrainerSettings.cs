using Microsoft.ML.VideoAlignment.Algorithms;
using Microsoft.ML.VideoAlignment.Algorithms.Ddpo;
using Microsoft.ML.VideoAlignment.Algorithms.DiffusionDpo;
using Microsoft.ML.VideoAlignment.Algorithms.RewardGradient;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Sampling;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>
/// What tests of trainers vary of a run, before there is a model: the records of a <see cref="TrainingRun"/>, and what is varied most once more by itself,
/// so that a test changes it in one word.
/// </summary>
internal sealed record TrainerSettings
{
    public required SamplingSettings Sampling { get; init; }

    public OptimizerOptions Optimizer { get; init; } = new();

    public MemoryOptions Memory { get; init; } = new();

    public ValidationOptions Validation { get; init; } = new();

    public RewardGradientOptions Gradient { get; init; } = new();

    public DdpoOptions Ddpo { get; init; } = new();

    public DiffusionDpoOptions DiffusionDpo { get; init; } = new();

    public RewardFrames Frames { get; init; } = RewardFrames.All;

    public RewardLoss Loss { get; init; } = RewardLoss.Maximize();

    public ulong Seed { get; init; }

    public IReadOnlyList<VideoPrompt> ValidationPrompts { get; init; } = [];

    /// <summary>Called at each checkpoint; null: there are none.</summary>
    public Action<int>? Checkpoint { get; init; }

    public IReadOnlyList<string> RecoveryFolders { get; init; } = [Path.GetTempPath()];

    public int Steps { get => Optimizer.Steps; init => Optimizer = Optimizer with { Steps = value }; }

    public int BatchSize { get => Optimizer.BatchSize; init => Optimizer = Optimizer with { BatchSize = value }; }

    public int AccumulationSteps { get => Optimizer.AccumulationSteps; init => Optimizer = Optimizer with { AccumulationSteps = value }; }

    public double LearningRate { get => Optimizer.LearningRate; init => Optimizer = Optimizer with { LearningRate = value }; }

    public double WeightDecay { get => Optimizer.WeightDecay; init => Optimizer = Optimizer with { WeightDecay = value }; }

    public double? EmaDecay { get => Optimizer.EmaDecay; init => Optimizer = Optimizer with { EmaDecay = value }; }

    public OptimizerState OptimizerState { get => Optimizer.State; init => Optimizer = Optimizer with { State = value }; }

    public int? FramesPerDecode { get => Memory.FramesPerDecode; init => Memory = Memory with { FramesPerDecode = value }; }

    public int ValidateEvery { get => Validation.Every; init => Validation = Validation with { Every = value }; }

    public bool KeepBest { get => Validation.KeepBest; init => Validation = Validation with { KeepBest = value }; }

    public int? EarlyStopPatience { get => Validation.EarlyStopPatience; init => Validation = Validation with { EarlyStopPatience = value }; }

    public GradientWindow? Window { get => Gradient.Window; init => Gradient = Gradient with { Window = value }; }

    public double KlWeight { get => Gradient.KlWeight; init => Gradient = Gradient with { KlWeight = value }; }

    public bool CarryGradientAcrossSegments
    {
        get => Gradient.CarryGradientAcrossSegments;
        init => Gradient = Gradient with { CarryGradientAcrossSegments = value };
    }

    /// <summary>Makes the run of a model.</summary>
    public TrainingRun Run(VideoDiffusionModel model, VideoReward reward) => new(model, reward)
    {
        Sampling = Sampling,
        Optimizer = Optimizer,
        Memory = Memory,
        Validation = Validation,
        Frames = Frames,
        Loss = Loss,
        Seed = Seed,
        ValidationPrompts = ValidationPrompts,
        Control = new RunControl { CheckpointEvery = 1 },
        Checkpoint = Checkpoint,
        RecoveryFolders = RecoveryFolders,
    };

    /// <summary>Makes VADER's trainer.</summary>
    public RewardGradientTrainer Trainer(VideoDiffusionModel model, VideoReward reward, LoraAdapters adapters) => new(Run(model, reward), adapters, Gradient);

    /// <summary>Makes DDPO's trainer.</summary>
    public DdpoTrainer DdpoTrainer(VideoDiffusionModel model, VideoReward reward, LoraAdapters adapters, Action<PolicyMicroStep>? look = null) =>
        new(Run(model, reward), adapters, Ddpo) { OnMicroStep = look };

    /// <summary>Makes Diffusion-DPO's trainer.</summary>
    public DiffusionDpoTrainer DiffusionDpoTrainer(
        VideoDiffusionModel model, VideoReward reward, LoraAdapters adapters, Action<PreferenceMicroStep>? look = null) =>
        new(Run(model, reward), adapters, DiffusionDpo) { OnMicroStep = look };
}
