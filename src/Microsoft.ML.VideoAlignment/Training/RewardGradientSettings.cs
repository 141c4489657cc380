namespace Microsoft.ML.VideoAlignment.Training;

/// <summary>What <see cref="RewardGradientTrainer"/> needs besides what every trainer does.</summary>
internal sealed record RewardGradientSettings : TrainingSettings
{
    public required GradientWindow Window { get; init; }

    /// <summary>Frames decoded together with a graph (see <see cref="ChunkedDecode"/>); null: all that are scored.</summary>
    public int? FramesPerDecode { get; init; }

    /// <summary>
    /// Whether the frame that one clip of a video hands to the next keeps its graph, so that a later clip's reward reaches the steps of earlier ones too.
    /// </summary>
    public bool CarryGradientAcrossSegments { get; init; }

    public required RewardLoss Loss { get; init; }

    /// <summary>Weight of <see cref="KlPenalty"/> in the loss; 0: it is not computed.</summary>
    public double BaseDistanceWeight { get; init; }
}
