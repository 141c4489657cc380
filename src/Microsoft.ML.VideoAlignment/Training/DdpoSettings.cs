using System.Diagnostics.CodeAnalysis;

namespace Microsoft.ML.VideoAlignment.Training;

/// <summary>What <see cref="DdpoTrainer"/> needs besides what every trainer does.</summary>
internal sealed record DdpoSettings : TrainingSettings
{
    /// <param name="common">What every trainer needs.</param>
    /// <param name="ddpo">The algorithm's own.</param>
    /// <param name="frames">What the reward is shown.</param>
    /// <param name="loss">Says which way a score is better.</param>
    [SetsRequiredMembers]
    public DdpoSettings(TrainingSettings common, DdpoOptions ddpo, RewardFrames frames, RewardLoss loss)
        : base(common) => (Ddpo, Frames, Loss) = (ddpo, frames, loss);

    public DdpoOptions Ddpo { get; init; }

    public RewardLoss Loss { get; init; }
}
