namespace Microsoft.ML.VideoAlignment;

/// <summary>Frames, height and width of a video, in frames and pixels.</summary>
/// <param name="Frames">Frames.</param>
/// <param name="Height">Height in pixels.</param>
/// <param name="Width">Width in pixels.</param>
public readonly record struct VideoSize(int Frames, int Height, int Width)
{
    /// <summary>Counts the numbers of a video of three channels.</summary>
    /// <param name="segments">Number of segments of this size, at least 1.</param>
    internal Int128 CountValues(int segments = 1) => (Int128)segments * Frames * Height * Width * 3;
}
