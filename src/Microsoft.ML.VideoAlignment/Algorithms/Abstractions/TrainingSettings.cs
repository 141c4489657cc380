using Microsoft.ML.VideoAlignment.Runs;
using Microsoft.ML.VideoAlignment.Sampling;

namespace Microsoft.ML.VideoAlignment.Algorithms;

/// <summary>The settings of a training run that every algorithm has, validated by <see cref="VideoAlignmentOptions"/>.</summary>
internal record TrainingSettings
{
    public required SamplingSettings Sampling { get; init; }

    /// <summary>Optimizer steps of the run.</summary>
    public required int Steps { get; init; }

    public required int BatchSize { get; init; }

    /// <summary>Micro-batches of an optimizer step; the loss of each is divided by this, so that the gradient is that of one large batch.</summary>
    public required int AccumulationSteps { get; init; }

    public required double LearningRate { get; init; }

    public double Beta1 { get; init; } = 0.9;

    public double Beta2 { get; init; } = 0.999;

    public double Epsilon { get; init; } = 1e-8;

    public double WeightDecay { get; init; } = 0.01;

    /// <summary>The precision of AdamW's moments.</summary>
    public OptimizerState OptimizerState { get; init; }

    /// <summary>The L2 norm over all adapters to which gradients are clipped.</summary>
    public required double MaxGradientNorm { get; init; }

    public required ulong Seed { get; init; }

    /// <summary>Which frames the reward is shown, in training and in validation.</summary>
    public RewardFrames Frames { get; init; } = RewardFrames.All;

    /// <summary>Validation prompts, whose mean reward is measured during the run with fixed seeds; empty: none.</summary>
    public IReadOnlyList<VideoPrompt> ValidationPrompts { get; init; } = [];

    /// <summary>Optimizer steps between two validations.</summary>
    public int ValidateEvery { get; init; } = 10;

    /// <summary>Decay of the running average of the adapters, which is validated, saved and returned in their place; null: none.</summary>
    public double? EmaDecay { get; init; }

    /// <summary>Whether the adapters end as those that did best in validation instead of the last ones.</summary>
    public bool KeepBest { get; init; }

    /// <summary>Validations in a row without improvement after which the run ends; null: it does not end early.</summary>
    public int? EarlyStopPatience { get; init; }

    /// <summary>Optimizer steps between two checkpoints; null: none.</summary>
    public int? CheckpointEvery { get; init; }

    /// <summary>The folder that the run's states are written to and resumed from; null: none.</summary>
    public RunFolder? RunFolder { get; init; }

    /// <summary>Optimizer steps between two states.</summary>
    public int StateEvery { get; init; } = 10;

    /// <summary>Writes a checkpoint of a step, while the adapters are what would be returned then; null: none.</summary>
    public Action<int>? Checkpoint { get; init; }

    /// <summary>Folders for the adapters of a run that fails; the first that can be written is used.</summary>
    public IReadOnlyList<string> RecoveryFolders { get; init; } = [Path.GetTempPath()];
}

/// <summary>The figures of one finished optimizer step.</summary>
/// <param name="Step">The step, counted from 1.</param>
/// <param name="Reward">Mean score over the step's videos.</param>
/// <param name="Loss">Mean loss over the micro-batches.</param>
/// <param name="GradientNorm">L2 norm of the gradient over all adapters, before clipping.</param>
/// <param name="ValidationReward">Mean score on the validation prompts; null: this step did not measure it.</param>
/// <param name="Elapsed">Time since the run began.</param>
internal readonly record struct TrainingStep(int Step, double Reward, double Loss, double GradientNorm, double? ValidationReward, TimeSpan Elapsed);
