namespace Microsoft.ML.VideoAlignment;

/// <summary>The largest image file that is read. A file beyond a limit is refused by its header, before memory is allocated for its pixels.</summary>
public sealed record ImageLimits
{
    /// <summary>The most pixels that a file may declare, width times height. Default: 178,956,970, above which Pillow refuses an image as well.</summary>
    public long MaxPixels { get; init; } = 178_956_970;

    /// <summary>The largest size of the file in bytes. Default: 256 MiB.</summary>
    public long MaxFileBytes { get; init; } = 256L << 20;
}
