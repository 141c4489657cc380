namespace Microsoft.ML.VideoAlignment.Media;

/// <summary>How a video is read, and the largest one that is accepted.</summary>
public sealed record VideoReadOptions
{
    /// <summary>
    /// Frames per second at which the video is sampled, at even times; above 0. Null (default): every frame of the file once, in order, however long it is
    /// shown.
    /// </summary>
    /// <remarks>A folder of images has no times, and is read without it.</remarks>
    public double? FramesPerSecond { get; init; }

    /// <summary>The largest number of frames. Default: 10,000.</summary>
    public int MaxFrames { get; init; } = 10_000;

    /// <summary>
    /// The largest number of pixels of all frames together, 12 bytes of memory each. Default: 268,435,456, which are 129 frames of 1920 x 1080.
    /// </summary>
    public long MaxPixels { get; init; } = 1L << 28;

    /// <summary>The largest size of a file in bytes. Default: 1 GiB.</summary>
    public long MaxFileBytes { get; init; } = 1L << 30;

    /// <summary>How long ffmpeg may take before it is ended. Default: ten minutes.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromMinutes(10);
}
