using System.Diagnostics.CodeAnalysis;

namespace Microsoft.ML.VideoAlignment.Training;

/// <summary>What <see cref="DiffusionDpoTrainer"/> needs besides what every trainer does.</summary>
internal sealed record DiffusionDpoSettings : TrainingSettings
{
    /// <param name="common">What every trainer needs.</param>
    /// <param name="dpo">The algorithm's own.</param>
    /// <param name="frames">What the reward is shown.</param>
    /// <param name="loss">Says which way a score is better.</param>
    [SetsRequiredMembers]
    public DiffusionDpoSettings(TrainingSettings common, DiffusionDpoOptions dpo, RewardFrames frames, RewardLoss loss)
        : base(common) => (Dpo, Frames, Loss) = (dpo, frames, loss);

    public DiffusionDpoOptions Dpo { get; init; }

    public RewardLoss Loss { get; init; }
}
