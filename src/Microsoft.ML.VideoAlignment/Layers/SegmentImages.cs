namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>Segments [B, C, T, H, W] as images [B*T, C, H, W] and back.</summary>
internal static class SegmentImages
{
    /// <summary>Segments as images.</summary>
    /// <param name="segments">[B, C, T, H, W].</param>
    /// <returns>[B*T, C, H, W].</returns>
    public static Tensor Flatten(Tensor segments)
    {
        using Tensor frames = segments.transpose(1, 2);
        return frames.flatten(0, 1);
    }

    /// <summary>Images as segments.</summary>
    /// <param name="images">[B*T, C, H, W].</param>
    /// <param name="frames">T.</param>
    /// <returns>[B, C, T, H, W].</returns>
    public static Tensor Unflatten(Tensor images, long frames)
    {
        using Tensor segments = images.unflatten(0, [-1, frames]);
        return segments.transpose(1, 2);
    }
}
