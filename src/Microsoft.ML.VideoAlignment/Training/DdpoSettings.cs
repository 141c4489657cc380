namespace Microsoft.ML.VideoAlignment.Training;

/// <summary>What <see cref="DdpoTrainer"/> needs besides what every trainer does.</summary>
internal sealed record DdpoSettings : TrainingSettings
{
    public required DdpoOptions Ddpo { get; init; }

    public required RewardFrames Frames { get; init; }

    /// <summary>Says which way a score is better.</summary>
    public required RewardLoss Loss { get; init; }
}

/// <summary>What <see cref="DiffusionDpoTrainer"/> needs besides what every trainer does.</summary>
internal sealed record DiffusionDpoSettings : TrainingSettings
{
    public required DiffusionDpoOptions Dpo { get; init; }

    public required RewardFrames Frames { get; init; }

    /// <summary>Says which way a score is better.</summary>
    public required RewardLoss Loss { get; init; }
}
