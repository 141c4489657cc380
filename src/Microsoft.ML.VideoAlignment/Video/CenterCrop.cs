namespace Microsoft.ML.VideoAlignment.Video;

/// <summary>Brings an image to a shape without distorting it: resizes it until it covers the shape, and cuts off what is over on both sides alike.</summary>
/// <remarks>Bicubic with antialiasing, as torchvision's <c>Resize</c> followed by <c>CenterCrop</c>.</remarks>
internal static class CenterCrop
{
    /// <summary>Crops an image.</summary>
    /// <param name="image">[3, H, W].</param>
    /// <param name="height">The height of the result in pixels.</param>
    /// <param name="width">The width of the result in pixels.</param>
    /// <returns>[3, height, width]; bicubic overshoot is kept.</returns>
    public static Tensor Apply(Tensor image, long height, long width)
    {
        using DisposeScope scope = NewDisposeScope();
        (long high, long wide) = (image.shape[^2], image.shape[^1]);

        // Compared as products: a ratio of the sides could be rounded below the shape.
        (long tall, long broad) = height * wide >= width * high
            ? (height, Math.Max(width, Rounded(wide * height, high)))
            : (Math.Max(height, Rounded(high * width, wide)), width);
        Tensor covering = (tall, broad) == (high, wide) ? image : Resize.Apply(image, tall, broad, Interpolation.Bicubic, antialias: true);
        return covering.narrow(-2, (tall - height) / 2, height).narrow(-1, (broad - width) / 2, width).contiguous().MoveToOuterDisposeScope();

        static long Rounded(long numerator, long denominator) => ((2 * numerator) + denominator) / (2 * denominator);
    }
}
