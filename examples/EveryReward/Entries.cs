using Microsoft.ML.VideoAlignment;

namespace EveryReward;

/// <summary>A line of the table: a reward of the embedded world, and how the model is aligned to it.</summary>
/// <param name="Name">Its name on the command line and in the table.</param>
/// <param name="Open">Opens the reward.</param>
/// <param name="Options">How the model is aligned: which steps carry gradient.</param>
/// <param name="Word">A word that prompts must contain; empty: all prompts are used.</param>
internal sealed record Entry(string Name, Func<VideoReward> Open, VideoAlignmentOptions Options, string Word = "");

/// <summary>Every reward that the embedded world has a network for. Another reward is another line.</summary>
internal static class Entries
{
    private static readonly string s_clip = Path.Combine(MovingShapesWorld.Folder, "clip");

    // For rewards of whole videos, whose gradient is noisier (V-JEPA hides other parts in each step) or whose scores are near their best already.
    private static readonly VideoAlignmentOptions s_gentle = MovingShapesWorld.Options with { LearningRate = 1e-3, GradientSteps = 1 };

    public static IReadOnlyList<Entry> All { get; } =
    [
        new("aesthetic", MovingShapesRewards.Aesthetic, MovingShapesWorld.Options),
        new("text", MovingShapesRewards.TextSimilarity, MovingShapesWorld.Options),
        new("video-text", () => VideoRewards.VideoTextSimilarity(s_clip), s_gentle),
        new("preference", MovingShapesRewards.Preference, MovingShapesWorld.Options),
        new("pickscore", () => VideoRewards.PickScore(s_clip), MovingShapesWorld.Options), // PickScore's form, on the world's CLIP
        new("removal", () => MovingShapesRewards.ObjectRemoval("square"), MovingShapesWorld.EarlyOptions, "square"),
        new("action", () => MovingShapesRewards.Action(new() { Label = "growing", LogProbability = true }), MovingShapesWorld.EarlyOptions),
        new("weather", MovingShapesRewards.Weather, MovingShapesWorld.EarlyOptions),
        new("compression", MovingShapesRewards.CompressedSize, MovingShapesWorld.Options),
        new("consistency", MovingShapesRewards.TemporalConsistency, s_gentle),
    ];
}
