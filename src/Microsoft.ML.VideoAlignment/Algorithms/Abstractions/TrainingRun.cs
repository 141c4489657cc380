using Microsoft.ML.VideoAlignment.Runs;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Algorithms;

/// <summary>
/// What every algorithm's trainer is given: model, reward, the run's options as they are, and what model and reward decide where those are null.
/// </summary>
/// <param name="Model">The model to align.</param>
/// <param name="Reward">What to align to.</param>
internal sealed record TrainingRun(VideoDiffusionModel Model, VideoReward Reward)
{
    /// <summary>How videos are sampled, with the model's usual values filled in.</summary>
    public required SamplingSettings Sampling { get; init; }

    /// <inheritdoc cref="VideoAlignmentOptions.Optimizer"/>
    public OptimizerOptions Optimizer { get; init; } = new();

    /// <inheritdoc cref="VideoAlignmentOptions.Memory"/>
    public MemoryOptions Memory { get; init; } = new();

    /// <summary>What each part of the run computes in; by default what <see cref="Memory"/> means on the device of the model, once it is asked for.</summary>
    public RunPrecision Precision
    {
        get => field ??= Memory.ResolvePrecision(ComputeDevice.Describe(Model.Device), Model.Parts.Traits);
        init;
    }

    /// <inheritdoc cref="VideoAlignmentOptions.Validation"/>
    public ValidationOptions Validation { get; init; } = new();

    /// <summary>Which frames the reward is shown, in training and in validation.</summary>
    public RewardFrames Frames { get; init; } = RewardFrames.All;

    /// <summary>The loss, which says which scores are better.</summary>
    public required RewardLoss Loss { get; init; }

    /// <summary>The seed of everything random.</summary>
    public required ulong Seed { get; init; }

    /// <summary>Validation prompts and rows, whose mean reward is measured during the run with fixed seeds; empty: none.</summary>
    public IReadOnlyList<VideoPrompt> ValidationPrompts { get; init; } = [];

    /// <summary>What watches and saves the run. Its folders are opened by the caller.</summary>
    public RunControl Control { get; init; } = new();

    /// <summary>The folder that the run's states are written to and resumed from; null: none.</summary>
    public RunFolder? Folder { get; init; }

    /// <summary>Writes a checkpoint of a step, while the adapters are what would be returned then; null: there are no checkpoints.</summary>
    public Action<int>? Checkpoint { get; init; }

    /// <summary>Folders for the adapters of a run that fails; the first that can be written is used.</summary>
    public IReadOnlyList<string> RecoveryFolders { get; init; } = [Path.GetTempPath()];
}
