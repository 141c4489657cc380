namespace Microsoft.ML.VideoAlignment.MovingShapes;

/// <summary>What the reward networks were trained with and their files do not tell; the training program reads it here, too.</summary>
internal static class MovingShapesSettings
{
    /// <summary>Width of the preference model's attention heads.</summary>
    public const long PreferenceHeadWidth = 16;

    /// <summary>Height and width of the world's frames, in pixels.</summary>
    public const int FrameSize = 32;

    /// <summary>The motions as prompts write them: the action classifier's labels, in the order of their ids.</summary>
    public static IReadOnlyList<string> Motions { get; } = ["moving left", "moving right", "moving up", "moving down", "growing", "staying still"];

    /// <summary>Masks of V-JEPA after which the list begins again, a token of the predictor for each: three moments and the second half.</summary>
    public const int ConsistencyRound = 4;

    private const int ConsistencyRounds = 3;
    private const int VideoFrames = 8;

    /// <summary>V-JEPA's mask that hides one frame.</summary>
    public static VJepaMask Moment { get; } =
        new() { Blocks = 1, SpatialScale = (1, 1), AspectRatio = (1, 1), TemporalScale = (1.0 / VideoFrames, 1.0 / VideoFrames) };

    /// <summary>V-JEPA's mask that hides the second half and nothing else: its block is smaller than a patch.</summary>
    public static VJepaMask SecondHalf { get; } = new() { Blocks = 1, SpatialScale = (0.001, 0.001), MaxTemporalKeep = 0.5 };

    /// <summary>
    /// The options of V-JEPA. Which frame is hidden decides what is noticed, so videos are scored with many moments: draw 0 of the seed, by which videos
    /// without gradient are scored, hides every moment at least once.
    /// </summary>
    public static VJepaOptions Consistency { get; } = new()
    {
        Frames = VideoFrames,
        Heads = 4,
        FramesPerSecond = null,
        Seed = 89,
        Masks =
        [
            .. Enumerable.Range(0, ConsistencyRounds * ConsistencyRound).Select(i => i % ConsistencyRound < ConsistencyRound - 1 ? Moment : SecondHalf),
        ],
    };
}
