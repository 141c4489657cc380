using Microsoft.ML.VideoAlignment;

namespace EveryReward;

/// <summary>A line of the table: a reward of the embedded world, and how the model is aligned to it.</summary>
/// <param name="Name">As the command line and the table have it.</param>
/// <param name="Open">Makes the reward.</param>
/// <param name="Options">Which steps carry gradient.</param>
/// <param name="Word">Prompts are those with this word in them; empty: all.</param>
internal sealed record Entry(string Name, Func<VideoReward> Open, VideoAlignmentOptions Options, string Word = "");

/// <summary>Every reward that the embedded world has a model for. Another reward is another line.</summary>
internal static class Entries
{
    private static readonly string s_clip = Path.Combine(MovingShapesWorld.Folder, "clip");

    /// <summary>For rewards of whole videos, whose gradient is noisier (V-JEPA hides other parts in each step) or whose scores are near their best already.</summary>
    private static readonly VideoAlignmentOptions s_gentle = MovingShapesWorld.Options with { LearningRate = 1e-3, GradientSteps = 1 };

    public static IReadOnlyList<Entry> All { get; } =
    [
        new("aesthetic", VideoRewards.MovingShapesAesthetic, MovingShapesWorld.Options),
        new("text", VideoRewards.MovingShapesTextSimilarity, MovingShapesWorld.Options),
        new("video-text", () => VideoRewards.VideoTextSimilarity(s_clip), s_gentle),
        new("preference", VideoRewards.MovingShapesPreference, MovingShapesWorld.Options),
        new("pickscore", () => VideoRewards.PickScore(s_clip), MovingShapesWorld.Options), // PickScore's form, on the world's CLIP
        new("removal", () => VideoRewards.MovingShapesObjectRemoval("square"), MovingShapesWorld.EarlyOptions, "square"),
        new("action", () => VideoRewards.MovingShapesAction(new ActionClassificationOptions { Label = "growing", LogProbability = true }), MovingShapesWorld.EarlyOptions),
        new("weather", VideoRewards.MovingShapesWeather, MovingShapesWorld.EarlyOptions),
        new("compression", VideoRewards.MovingShapesCompressedSize, MovingShapesWorld.Options),
        new("consistency", VideoRewards.MovingShapesTemporalConsistency, s_gentle),
    ];
}
