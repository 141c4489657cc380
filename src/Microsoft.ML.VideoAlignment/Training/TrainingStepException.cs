namespace Microsoft.ML.VideoAlignment;

/// <summary>
/// A training step could not be finished: a score, loss or gradient was NaN or infinite, or the reward threw. Nothing of that step reached the
/// weights; those of the last good step are in <see cref="LastGoodWeights"/>.
/// </summary>
public sealed class TrainingStepException : Exception
{
    /// <summary>Says which step, what was wrong, and where the last good weights are.</summary>
    /// <param name="step">The optimiser step, counted from 1.</param>
    /// <param name="problem">A sentence.</param>
    /// <param name="lastGoodWeights">The file with the weights after the step before.</param>
    /// <param name="innerException">What the reward threw, if it did.</param>
    public TrainingStepException(int step, string problem, string lastGoodWeights, Exception? innerException = null)
        : base($"Training step {step}: {problem} The weights after step {step - 1} are in '{lastGoodWeights}'.", innerException)
    {
        Step = step;
        LastGoodWeights = lastGoodWeights;
    }

    /// <summary>The optimiser step that failed, counted from 1.</summary>
    public int Step { get; }

    /// <summary>A safetensors file with the adapters after the last good step.</summary>
    public string LastGoodWeights { get; }
}
