namespace Microsoft.ML.VideoAlignment.Media;

/// <summary>How a video is written.</summary>
public sealed record VideoWriteOptions
{
    /// <summary>Frames per second, above 0 and at most 100; GIF and WebP round times, see <see cref="VideoFile"/>. Default: 8.</summary>
    public double FramesPerSecond { get; init; } = 8;

    /// <summary>Each pixel becomes this many pixels wide and high, without smoothing; at least 1. Default: 1.</summary>
    public int Scale { get; init; } = 1;

    /// <summary>How long ffmpeg may take before it is ended. Default: ten minutes.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromMinutes(10);
}
