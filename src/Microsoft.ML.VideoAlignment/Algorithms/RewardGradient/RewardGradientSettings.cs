namespace Microsoft.ML.VideoAlignment.Algorithms.RewardGradient;

/// <summary>Settings of <see cref="RewardGradientTrainer"/>.</summary>
internal sealed record RewardGradientSettings : TrainingSettings
{
    public required GradientWindow Window { get; init; }

    /// <summary>Frames decoded together with a graph (<see cref="ChunkedDecode"/>); null: all that are scored.</summary>
    public int? FramesPerDecode { get; init; }

    /// <summary>
    /// Whether the frame with which a segment begins keeps its graph, so that a later segment's reward reaches the steps of earlier ones too.
    /// </summary>
    public bool CarryGradientAcrossSegments { get; init; }

    public required RewardLoss Loss { get; init; }

    /// <summary>Weight of <see cref="KlPenalty"/> in the loss, at least 0; 0: it is not computed.</summary>
    public double KlWeight { get; init; }
}
