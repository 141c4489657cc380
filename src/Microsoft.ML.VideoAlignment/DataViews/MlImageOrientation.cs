using Microsoft.ML.Data;
using Microsoft.ML.VideoAlignment.Video;

namespace Microsoft.ML.VideoAlignment.DataViews;

/// <summary>
/// Stands images of ML.NET's LoadImages upright. It decodes files without their Exif orientation, but leaves the file's path in <see cref="MLImage.Tag"/>, and
/// ResizeImages keeps it.
/// </summary>
internal static class MlImageOrientation
{
    /// <summary>The upright pixels; the same ones where the tag names no image file, the file stands upright, or the pixels already have its upright size.</summary>
    /// <param name="pixels">Of the image.</param>
    /// <param name="tag">The image's tag.</param>
    /// <param name="named">Who has the image, for messages.</param>
    /// <param name="limits">The largest file that is looked into.</param>
    /// <param name="say">Told when an image is turned.</param>
    public static RgbImage Apply(RgbImage pixels, string? tag, string named, ImageLimits limits, Action<string> say)
    {
        if (tag is null || !ImageFormat.IsNamed(tag) || !File.Exists(tag))
        {
            return pixels;
        }

        (int height, int width, int orientation) = Stored(tag, limits);
        bool turned = ImageOrientation.Turns(orientation) && height != width && (pixels.Height, pixels.Width) == (width, height);
        if (orientation == ImageOrientation.Upright || turned)
        {
            return pixels;
        }

        say($"{named}: the image was loaded from '{tag}' without its Exif orientation {orientation}, and is turned upright.");
        return ImageOrientation.Apply(pixels, orientation);
    }

    /// <summary>What the file says, where it still is the image that the tag names.</summary>
    private static (int Height, int Width, int Orientation) Stored(string file, ImageLimits limits)
    {
        try
        {
            using ImageFile image = ImageFile.Open(file, limits);
            return image.Stored;
        }
        catch (Exception error) when (error is IOException or InvalidDataException or UnauthorizedAccessException)
        {
            return (0, 0, ImageOrientation.Upright); // a tag is any text: what it names need not be the image's file
        }
    }
}
