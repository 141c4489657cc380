using Microsoft.ML.Data;
using Microsoft.ML.VideoAlignment.Video;

namespace Microsoft.ML.VideoAlignment.MLNet;

/// <summary>
/// Turns images of ML.NET's LoadImages upright. LoadImages decodes files without their Exif orientation, but leaves the file's path in <see
/// cref="MLImage.Tag"/>, which ResizeImages keeps.
/// </summary>
internal static class MlImageOrientation
{
    /// <summary>
    /// Turns pixels upright. They stay as they are where the tag does not name an image file, the file is upright, or the pixels already have its upright size.
    /// </summary>
    /// <param name="pixels">Pixels of the image.</param>
    /// <param name="tag">The image's tag; null: none.</param>
    /// <param name="subject">Subject of messages, such as "Image column 'Start'".</param>
    /// <param name="limits">The largest file that is looked into.</param>
    /// <param name="log">Receives a message when an image is turned.</param>
    public static RgbImage Apply(RgbImage pixels, string? tag, string subject, ImageLimits limits, Action<string> log)
    {
        if (tag is null || !ImageFormat.HasKnownExtension(tag) || !File.Exists(tag))
        {
            return pixels;
        }

        (int height, int width, int orientation) = Stored(tag, limits);
        bool turned = ImageOrientation.SwapsSides(orientation) && height != width && (pixels.Height, pixels.Width) == (width, height);
        if (orientation == ImageOrientation.Upright || turned)
        {
            return pixels;
        }

        log($"{subject}: the image was loaded from '{tag}' without its Exif orientation {orientation}, and is turned upright.");
        return ImageOrientation.Apply(pixels, orientation);
    }

    // What the file says, where it still is the image that the tag names.
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
