namespace Microsoft.ML.VideoAlignment;

/// <summary>Statistics of the scores of videos, and the comparison with the base model's videos of the same rows.</summary>
public sealed record VideoAlignmentMetrics
{
    /// <summary>Number of videos.</summary>
    public required long Count { get; init; }

    /// <summary>Mean score.</summary>
    public required double MeanScore { get; init; }

    /// <summary>Standard deviation of the scores over n - 1; 0 for one video.</summary>
    public required double ScoreStandardDeviation { get; init; }

    /// <summary>
    /// Half the width of the 95 % confidence interval of the mean, t(0.975, n - 1) * s / sqrt(n) by Student's t distribution; infinite for one video.
    /// </summary>
    public required double ConfidenceHalfWidth { get; init; }

    /// <summary>The lowest score.</summary>
    public required double MinimumScore { get; init; }

    /// <summary>The highest score.</summary>
    public required double MaximumScore { get; init; }

    /// <summary>The comparison with the base model; null: no column of its scores was named.</summary>
    public VideoAlignmentGain? Gain { get; init; }
}

/// <summary>The gain over the base model: score minus base score, in pairs.</summary>
public sealed record VideoAlignmentGain
{
    /// <summary>Mean score of the base model.</summary>
    public required double BaseMeanScore { get; init; }

    /// <summary>Mean of the gains.</summary>
    public required double Mean { get; init; }

    /// <summary>Half the width of the 95 % confidence interval of the mean gain, from the gains themselves (a paired comparison).</summary>
    public required double ConfidenceHalfWidth { get; init; }

    /// <summary>Share of rows that score higher than the base model's, from 0 to 1; equal scores count half.</summary>
    public required double WinRate { get; init; }
}
