using Microsoft.ML.VideoAlignment;

namespace EveryReward;

/// <summary>A line of the table: a reward of the embedded world, and how the model is aligned to it.</summary>
/// <param name="Name">Its name on the command line and in the table.</param>
/// <param name="Open">Opens the reward.</param>
/// <param name="Options">How the model is aligned: which steps carry gradient.</param>
/// <param name="Gradient">Which steps those are, in words.</param>
/// <param name="Word">A word that prompts must contain; empty: all prompts are used.</param>
internal sealed record Entry(string Name, Func<VideoReward> Open, VideoAlignmentOptions Options, string Gradient, string Word = "");

/// <summary>Every reward that the embedded world has a network for. Another reward is another line.</summary>
internal static class Entries
{
    private static readonly string s_clip = Path.Combine(MovingShapesWorld.Folder, "clip");

    // For rewards of whole videos, whose gradient is noisier (V-JEPA hides other parts in each step) or whose scores are near their best already.
    private static readonly VideoAlignmentOptions s_gentle = MovingShapesWorld.Options with
    {
        Optimizer = MovingShapesWorld.Options.Optimizer with { LearningRate = 1e-3 },
        Algorithm = AlignmentAlgorithm.RewardGradient(),
    };

    private const string LastStep = "the last 1";

    public static IReadOnlyList<Entry> All { get; } =
    [
        new("aesthetic", MovingShapesRewards.Aesthetic, MovingShapesWorld.Options, MovingShapesWorld.LastSteps),
        new("text", MovingShapesRewards.TextSimilarity, MovingShapesWorld.Options, MovingShapesWorld.LastSteps),
        new("video-text", () => VideoRewards.VideoTextSimilarity(s_clip), s_gentle, LastStep),
        new("preference", MovingShapesRewards.Preference, MovingShapesWorld.Options, MovingShapesWorld.LastSteps),
        new("pickscore", () => VideoRewards.PickScore(s_clip), MovingShapesWorld.Options, MovingShapesWorld.LastSteps), // PickScore's form, on the world's CLIP
        new("removal", () => MovingShapesRewards.ObjectRemoval("square"), MovingShapesWorld.EarlyOptions, MovingShapesWorld.EarlySteps, "square"),
        new("action", () => MovingShapesRewards.Action(new() { Label = "growing", LogProbability = true }), MovingShapesWorld.EarlyOptions,
            MovingShapesWorld.EarlySteps),
        new("weather", MovingShapesRewards.Weather, MovingShapesWorld.EarlyOptions, MovingShapesWorld.EarlySteps),
        new("compression", MovingShapesRewards.CompressedSize, MovingShapesWorld.Options, MovingShapesWorld.LastSteps),
        new("consistency", MovingShapesRewards.TemporalConsistency, s_gentle, LastStep),
    ];
}
