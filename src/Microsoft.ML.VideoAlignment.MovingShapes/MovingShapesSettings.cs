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

    /// <summary>
    /// The options of V-JEPA. Its masks are the official two and two that hide whole moments, one and at most two of the four tubelets: with the whole image
    /// hidden only time is left to predict from.
    /// </summary>
    public static VJepaOptions Consistency { get; } = new()
    {
        Frames = 8,
        Heads = 4,
        FramesPerSecond = null,
        Masks =
        [
            VJepaMask.ShortRange,
            VJepaMask.LongRange,
            Moments(1),
            Moments(2),
        ],
    };

    private static VJepaMask Moments(int count) => new() { Blocks = count, SpatialScale = (1, 1), AspectRatio = (1, 1), TemporalScale = (0.25, 0.25) };
}
