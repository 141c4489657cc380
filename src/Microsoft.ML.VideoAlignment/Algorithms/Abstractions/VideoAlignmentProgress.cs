namespace Microsoft.ML.VideoAlignment;

/// <summary>The figures of one optimizer step of an alignment.</summary>
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

    /// <summary>L2 norm of the gradient over all LoRA weights, before clipping; NaN where the step was <see cref="Skipped"/>.</summary>
    public required double GradientNorm { get; init; }

    /// <summary>The learning rate of the step, as <see cref="OptimizerOptions.Schedule"/> has it.</summary>
    public double LearningRate { get; init; }

    /// <summary>
    /// Whether the step changed no weights, because its loss or gradient left the range of <see cref="ComputePrecision.Float16"/>; the loss of later steps is
    /// scaled less.
    /// </summary>
    public bool Skipped { get; init; }

    /// <summary>Mean reward on the validation prompts (<see cref="ValidationOptions.Prompts"/>); null: this step did not measure it.</summary>
    public double? ValidationReward { get; init; }

    /// <summary>Videos generated and scored since the run began, those of validation included.</summary>
    public required long RewardQueries { get; init; }

    /// <summary>How many of <see cref="RewardQueries"/> were for validation, from which nothing is learned.</summary>
    public long ValidationQueries { get; init; }

    /// <summary>
    /// Denoiser evaluations since the run began: one per video, denoising step and guidance branch. What a backward pass recomputes is not counted.
    /// </summary>
    public long DenoiserEvaluations { get; init; }

    /// <summary>
    /// The peak of the memory of the device that trains, in bytes: on the CPU the peak of the process's resident memory, on a GPU the most that was in use of
    /// the card's memory when a step ended. null: the system does not say.
    /// </summary>
    /// <remarks>
    /// On a GPU it includes CUDA's context and whatever other programs use. libtorch keeps the blocks that it has taken from the card, so what is in use after
    /// a step is what the step took at its worst moment, with what the allocator loses between blocks.
    /// </remarks>
    public long? PeakBytes { get; init; }

    /// <summary>Time since the run began, over all processes that it has run in.</summary>
    public required TimeSpan Elapsed { get; init; }

    /// <summary>Time that the remaining steps will take at the mean speed so far.</summary>
    public TimeSpan Remaining => Elapsed / Step * (Steps - Step);
}
