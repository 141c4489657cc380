namespace Microsoft.ML.VideoAlignment.Algorithms;

/// <summary>Reward and loss of an optimizer step.</summary>
/// <param name="Reward">Mean score over the step's videos.</param>
/// <param name="Loss">Mean loss over the micro-batches.</param>
internal readonly record struct StepOutcome(double Reward, double Loss)
{
    /// <summary>Whether there was nothing to learn from, so that the step must not update the weights.</summary>
    public bool ChangesNothing { get; init; }
}
