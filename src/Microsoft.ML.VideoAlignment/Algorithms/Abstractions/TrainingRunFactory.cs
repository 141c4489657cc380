using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Algorithms;

/// <summary>Makes runs of validated options.</summary>
internal static class TrainingRunFactory
{
    /// <summary>Makes a run, with what model and reward decide where an option is null.</summary>
    /// <param name="model">The model to align.</param>
    /// <param name="reward">What to align to.</param>
    /// <param name="options">The options.</param>
    /// <param name="seed">The seed of everything random.</param>
    /// <param name="validationPrompts">The rows of <see cref="VideoAlignmentOptions.Validation"/>; empty: none.</param>
    /// <param name="device">Where the run computes; null: where the model is.</param>
    public static TrainingRun Create(
        VideoDiffusionModel model, VideoReward reward, VideoAlignmentOptions options, int seed, IReadOnlyList<VideoPrompt> validationPrompts,
        IComputeDevice? device = null) =>
        new(model, reward)
        {
            Sampling = options.ResolveSampling(model),
            Optimizer = options.Optimizer,
            Memory = options.Memory,
            Precision = options.Memory.ResolvePrecision(device ?? ComputeDevice.Describe(model.Device), model.Parts.Traits),
            Validation = options.Validation,
            Frames = options.ResolveFrames(reward),
            Loss = options.Reward.ResolveLoss(reward),
            Seed = unchecked((ulong)seed),
            ValidationPrompts = validationPrompts,
        };
}
