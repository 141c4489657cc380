namespace Microsoft.ML.VideoAlignment.Training;

/// <summary>
/// A fault that only the gradient's run has, while the loss that it is compared with has none: for tests, which must see that the proof fails.
/// </summary>
internal sealed record GradientFault
{
    /// <summary>Makes the micro-batch that is back-propagated from the drawn one; null: the drawn one.</summary>
    public Func<Rollout, Rollout>? Rollout { get; init; }

    /// <summary>Makes the settings that it is back-propagated under from the run's; null: the run's. Micro-batches stay as many as they were.</summary>
    public Func<RewardGradientSettings, RewardGradientSettings>? Settings { get; init; }
}
