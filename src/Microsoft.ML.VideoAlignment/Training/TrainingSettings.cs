using Microsoft.ML.VideoAlignment.Runs;
using Microsoft.ML.VideoAlignment.Sampling;

namespace Microsoft.ML.VideoAlignment.Training;

/// <summary>What every algorithm's training run needs besides model, reward and adapters. Validated at the public door.</summary>
internal record TrainingSettings
{
    public required SamplingSettings Sampling { get; init; }

    /// <summary>Optimiser steps.</summary>
    public required int Steps { get; init; }

    public required int BatchSize { get; init; }

    /// <summary>Micro-batches per optimizer step; the loss of each is divided by this, so that the gradient is that of one large batch.</summary>
    public required int Accumulation { get; init; }

    public required double LearningRate { get; init; }

    public double Beta1 { get; init; } = 0.9;

    public double Beta2 { get; init; } = 0.999;

    public double Epsilon { get; init; } = 1e-8;

    public double WeightDecay { get; init; } = 0.01;

    /// <summary>How AdamW's moments are held.</summary>
    public OptimizerState OptimizerState { get; init; }

    /// <summary>Global gradient norm above which gradients are scaled down.</summary>
    public required double MaxGradientNorm { get; init; }

    public required ulong Seed { get; init; }

    /// <summary>What the reward is shown of a video, in training and in validation.</summary>
    public RewardFrames Frames { get; init; } = RewardFrames.All;

    /// <summary>Prompts whose mean reward is measured along the way, on fixed seeds; empty: none.</summary>
    public IReadOnlyList<VideoPrompt> HeldOutPrompts { get; init; } = [];

    /// <summary>Optimiser steps between two measurements on the held-out prompts.</summary>
    public int HeldOutEvery { get; init; } = 10;

    /// <summary>Decay of the running mean of the adapters that is measured, saved and returned in their stead; null: none.</summary>
    public double? AverageDecay { get; init; }

    /// <summary>Whether the adapters end as those that did best on the held-out prompts instead of the last ones.</summary>
    public bool KeepBest { get; init; }

    /// <summary>Measurements on the held-out prompts without a better one after which the run ends; null: never.</summary>
    public int? Patience { get; init; }

    /// <summary>Optimiser steps between two checkpoints; null: none.</summary>
    public int? CheckpointEvery { get; init; }

    /// <summary>Where the run's states go, and where it goes on; null: nowhere.</summary>
    public RunFolder? RunFolder { get; init; }

    /// <summary>Optimiser steps between two states.</summary>
    public int StateEvery { get; init; } = 10;

    /// <summary>Told of a step at which the adapters are worth keeping, while they are what would be returned then.</summary>
    public Action<int>? Checkpoint { get; init; }

    /// <summary>Where the adapters go when a run fails: the first that can be written.</summary>
    public IReadOnlyList<string> RecoveryFolders { get; init; } = [Path.GetTempPath()];
}

/// <summary>One finished optimizer step.</summary>
/// <param name="Step">Counted from 1.</param>
/// <param name="Reward">Mean score over the step's videos.</param>
/// <param name="Loss">Mean loss over the micro-batches.</param>
/// <param name="GradientNorm">Global norm before clipping.</param>
/// <param name="ValidationEvaluator">Mean score on the held-out prompts, in steps that measure it.</param>
/// <param name="Elapsed">Time since the run began.</param>
internal readonly record struct TrainingStep(int Step, double Reward, double Loss, double GradientNorm, double? ValidationEvaluator, TimeSpan Elapsed);
