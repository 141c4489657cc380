namespace Microsoft.ML.VideoAlignment.MovingShapes.World;

/// <summary>
/// What a caption can say: 8 colors x 4 shapes x 6 motions x 3 backgrounds, and how good the video is, which captions of the base model never say.
/// </summary>
internal static class Attributes
{
    public static IReadOnlyList<string> Colors { get; } = ["red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink"];

    /// <summary>Degrees, one for each color.</summary>
    public static IReadOnlyList<float> Hues { get; } = [0, 30, 56, 120, 180, 225, 272, 320];

    public static IReadOnlyList<string> Shapes { get; } = ["circle", "square", "triangle", "cross"];

    public static IReadOnlyList<string> Motions { get; } = ["moving left", "moving right", "moving up", "moving down", "growing", "staying still"];

    public static IReadOnlyList<string> Backgrounds { get; } = ["dark", "gray", "light"];

    /// <summary>Gray value of each background.</summary>
    public static IReadOnlyList<float> Grays { get; } = [0.12f, 0.42f, 0.85f];
}

internal enum Shape
{
    Circle,
    Square,
    Triangle,
    Cross,
}

internal enum Motion
{
    Left,
    Right,
    Up,
    Down,
    Growing,
    Still,
}

/// <summary>What a caption describes; indices into <see cref="Attributes"/>.</summary>
internal readonly record struct Subject(int Color, Shape Shape, Motion Motion, int Background);

/// <summary>Vividness, cleanness and size, each in [0, 1].</summary>
internal readonly record struct Quality(float Vividness, float Cleanness, float Size);
