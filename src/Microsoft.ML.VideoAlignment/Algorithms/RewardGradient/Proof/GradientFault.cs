namespace Microsoft.ML.VideoAlignment.Algorithms.RewardGradient;

/// <summary>
/// A fault that is injected into the gradient alone, while the loss that it is compared with has none: for tests, which must see that the proof fails.
/// </summary>
internal sealed record GradientFault
{
    /// <summary>Makes the micro-batch that is back-propagated from the drawn one; null: the drawn one itself.</summary>
    public Func<Rollout, Rollout>? Rollout { get; init; }

    /// <summary>Makes the settings of the gradient from the run's, with the same number of micro-batches; null: the run's own.</summary>
    public Func<RewardGradientSettings, RewardGradientSettings>? Settings { get; init; }
}
