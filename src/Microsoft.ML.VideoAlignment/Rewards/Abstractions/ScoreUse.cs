namespace Microsoft.ML.VideoAlignment.Rewards;

/// <summary>What the scores of a call are for, which decides how a normalized sum puts its parts together (<see cref="RewardMix"/>).</summary>
internal enum ScoreUse
{
    /// <summary>A caller's own: training where the frames carry gradient, else normalized by the moments as they stand.</summary>
    Scoring,

    /// <summary>Videos that are trained on, each once: their scores enter the moments first, and are then normalized by them.</summary>
    Training,

    /// <summary>Videos whose scores are in the moments already, scored again: normalized by the moments as they stand.</summary>
    Repetition,

    /// <summary>Validation: the weighted sum in the parts' own units, which does not move while the moments do.</summary>
    Validation,
}
