namespace Microsoft.ML.VideoAlignment;

/// <summary>Which way a reward's score improves.</summary>
public enum ScoreDirection
{
    /// <summary>A higher score is better: what almost every reward says of itself.</summary>
    HigherIsBetter,

    /// <summary>A lower score is better, such as a predicted file size. Multiplied by a negative weight it becomes a reward to raise.</summary>
    LowerIsBetter,
}
