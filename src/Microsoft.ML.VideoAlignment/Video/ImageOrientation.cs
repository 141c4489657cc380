namespace Microsoft.ML.VideoAlignment.Video;

/// <summary>The Exif orientation, 1 to 8: how the camera was held, and how to turn the image upright.</summary>
internal static class ImageOrientation
{
    /// <summary>Stored pixels are shown as they are.</summary>
    public const int Upright = 1;

    /// <summary>Whether height and width are swapped.</summary>
    /// <param name="orientation">1 to 8.</param>
    public static bool SwapsSides(int orientation) => orientation is >= 5 and <= 8;

    /// <summary>Turns and mirrors an image so that it stands upright; returns <paramref name="image"/> itself where it already does.</summary>
    /// <param name="image">The pixels as they are stored.</param>
    /// <param name="orientation">1 to 8, where row 0 and column 0 of the stored pixels are shown: 1 top left, 2 top right, 3 bottom right, 4 bottom left, 5
    /// left top, 6 right top, 7 right bottom, 8 left bottom. Any other number counts as 1.</param>
    public static RgbImage Apply(RgbImage image, int orientation)
    {
        (int height, int width) = (image.Height, image.Width);
        Func<int, int, int>? source = orientation switch
        {
            2 => (y, x) => (y * width) + width - 1 - x,
            3 => (y, x) => ((height - 1 - y) * width) + width - 1 - x,
            4 => (y, x) => ((height - 1 - y) * width) + x,
            5 => (y, x) => (x * width) + y,
            6 => (y, x) => ((height - 1 - x) * width) + y,
            7 => (y, x) => ((height - 1 - x) * width) + width - 1 - y,
            8 => (y, x) => (x * width) + width - 1 - y,
            _ => null,
        };
        if (source is null)
        {
            return image;
        }

        (int tall, int wide) = SwapsSides(orientation) ? (width, height) : (height, width);
        byte[] upright = new byte[image.Bytes.Length];
        for (int y = 0; y < tall; y++)
        {
            for (int x = 0; x < wide; x++)
            {
                image.Bytes.AsSpan(3 * source(y, x), 3).CopyTo(upright.AsSpan(3 * ((y * wide) + x)));
            }
        }

        return new RgbImage(upright, tall, wide);
    }
}
