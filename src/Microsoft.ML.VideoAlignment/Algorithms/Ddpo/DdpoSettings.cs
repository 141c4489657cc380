using System.Diagnostics.CodeAnalysis;

namespace Microsoft.ML.VideoAlignment.Algorithms.Ddpo;

/// <summary>Settings of <see cref="DdpoTrainer"/>.</summary>
internal sealed record DdpoSettings : TrainingSettings
{
    /// <summary>Extends common settings.</summary>
    /// <param name="common">The settings that every trainer has.</param>
    /// <param name="ddpo">The algorithm's own options.</param>
    /// <param name="frames">Which frames the reward is shown.</param>
    /// <param name="loss">The loss, which says which scores are better.</param>
    [SetsRequiredMembers]
    public DdpoSettings(TrainingSettings common, DdpoOptions ddpo, RewardFrames frames, RewardLoss loss)
        : base(common) => (Ddpo, Frames, Loss) = (ddpo, frames, loss);

    public DdpoOptions Ddpo { get; init; }

    public RewardLoss Loss { get; init; }
}
