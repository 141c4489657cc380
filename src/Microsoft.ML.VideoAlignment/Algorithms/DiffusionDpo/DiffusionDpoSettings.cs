using System.Diagnostics.CodeAnalysis;

namespace Microsoft.ML.VideoAlignment.Algorithms.DiffusionDpo;

/// <summary>Settings of <see cref="DiffusionDpoTrainer"/>.</summary>
internal sealed record DiffusionDpoSettings : TrainingSettings
{
    /// <summary>Extends common settings.</summary>
    /// <param name="common">The settings that every trainer has.</param>
    /// <param name="dpo">The algorithm's own options.</param>
    /// <param name="frames">Which frames the reward is shown.</param>
    /// <param name="loss">The loss, which says which scores are better.</param>
    [SetsRequiredMembers]
    public DiffusionDpoSettings(TrainingSettings common, DiffusionDpoOptions dpo, RewardFrames frames, RewardLoss loss)
        : base(common) => (Dpo, Frames, Loss) = (dpo, frames, loss);

    public DiffusionDpoOptions Dpo { get; init; }

    public RewardLoss Loss { get; init; }
}
