namespace Microsoft.ML.VideoAlignment.Paper;

/// <summary>The rewards of the comparison: what is trained on, and what videos are measured by.</summary>
internal static class PaperRewards
{
    public const string Aesthetic = "aesthetic", Preference = "preference", Action = "action";

    /// <summary>
    /// Of long videos: V-JEPA alone, as the paper has it; and with the similarity of each frame to the caption of its image, which knows shape and color, and
    /// something that keeps motion, since V-JEPA prefers videos that stand still.
    /// </summary>
    public const string Consistency = "consistency", ConsistencyTextAndMotion = "consistency with text and motion";

    /// <summary>Beside V-JEPA's loss of about .25: from a wrong shape or color to the right one similarity gains about .5.</summary>
    public const float TextWeight = 0.5f;

    /// <summary>Never trained on: they show what a gain costs, or whether it is real.</summary>
    public const string TrueRating = "true rating", TextSimilarity = "text similarity", ActionProbability = "probability of the action";

    /// <summary>
    /// The action that every figure is taught. Prompts' own motions are recognized with a probability of .77 before any alignment: they leave no room for a
    /// comparison.
    /// </summary>
    public const string TaughtAction = "growing";

    public static IReadOnlyList<string> Trained { get; } = [Aesthetic, Preference, Action];

    public static IReadOnlyList<string> Measures { get; } = [.. Trained, TrueRating, TextSimilarity, ActionProbability];

    /// <summary>The caller disposes it.</summary>
    public static VideoReward Open(string name) => name switch
    {
        Aesthetic => MovingShapesRewards.Aesthetic(),
        Preference => MovingShapesRewards.Preference(),
        Action => MovingShapesRewards.Action(new ActionClassificationOptions { Label = TaughtAction, LogProbability = true }),
        ActionProbability => MovingShapesRewards.Action(new ActionClassificationOptions { Label = TaughtAction }),
        Consistency => MovingShapesRewards.TemporalConsistency(),
        ConsistencyTextAndMotion => MovingShapesRewards.TemporalConsistency() + (MovingShapesRewards.TextSimilarity() * TextWeight)
            + (MotionKeeper.Create() * MotionKeeper.Weight),
        TrueRating => MovingShapesRewards.TrueRating(),
        TextSimilarity => MovingShapesRewards.TextSimilarity(),
        _ => throw new ArgumentException($"There is no reward '{name}'; there are {string.Join(", ", Measures)}.", nameof(name)),
    };
}
