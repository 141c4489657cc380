namespace Microsoft.ML.VideoAlignment;

/// <summary>What <see cref="VideoRewards.ActionClassification"/> scores.</summary>
public sealed record ActionClassificationOptions
{
    /// <summary>One label for all videos, whatever their prompts; null (default): each prompt names its own.</summary>
    public string? Label { get; init; }

    /// <summary>
    /// Texts in prompts and the labels they ask for, such as ("on ice" -> "ice skating"). They come before the table of VADER's released code (piano, guitar,
    /// doughnuts, beer, ...) and after a prompt that is itself a label; of several that a prompt holds the longest counts.
    /// </summary>
    /// <remarks>None by default; upper and lower case differ.</remarks>
    public IReadOnlyDictionary<string, string> Prompts { get; init; } = new Dictionary<string, string>();

    /// <summary>
    /// Whether the score is the logarithm of the label's probability instead of the probability, so that raising it is VADER's cross-entropy loss and keeps a
    /// slope where the probability is near 0. Default: false, a score in 0 .. 1.
    /// </summary>
    public bool LogProbability { get; init; }

    /// <summary>How the classifier's weights are stored; it computes in float32 whatever this says. Default: float32.</summary>
    public WeightPrecision Precision { get; init; } = WeightPrecision.Float32;
}
