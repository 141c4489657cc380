namespace Microsoft.ML.VideoAlignment;

/// <summary>What one optimizer step of an alignment gave.</summary>
public sealed record VideoAlignmentProgress
{
    /// <summary>Optimizer steps done, 1 after the first.</summary>
    public required int Step { get; init; }

    /// <summary>Optimizer steps asked for.</summary>
    public required int Steps { get; init; }

    /// <summary>Mean reward over the videos of the step, in the reward's own units.</summary>
    public required double Reward { get; init; }

    /// <summary>The loss that was minimized.</summary>
    public required double Loss { get; init; }

    /// <summary>L2 norm of the gradient over all LoRA weights, before clipping.</summary>
    public required double GradientNorm { get; init; }

    /// <summary>Mean reward on the held-out prompts, in steps that measure it (<see cref="VideoAlignmentOptions.HeldOutPrompts"/>); else null.</summary>
    public double? ValidationEvaluator { get; init; }

    /// <summary>Videos generated and scored since the run began, those of measurements included.</summary>
    public required long RewardQueries { get; init; }

    /// <summary>How many of <see cref="RewardQueries"/> were measurements on held-out prompts, from which nothing is learned.</summary>
    public long HeldOutQueries { get; init; }

    /// <summary>Denoiser evaluations since the run began, one a video, denoising step and guidance branch; what a backward pass computes again is not counted.</summary>
    public long DenoiserEvaluations { get; init; }

    /// <summary>The most memory the process has had resident at once, in bytes, on the host and everything in it included; null where the system does not say.</summary>
    public long? PeakBytes { get; init; }

    /// <summary>Time since the run began.</summary>
    public required TimeSpan Elapsed { get; init; }

    /// <summary>Time the remaining steps will take at the mean speed so far.</summary>
    public TimeSpan Remaining => Elapsed / Step * (Steps - Step);
}
