using Microsoft.ML.VideoAlignment.Files;
using Microsoft.ML.VideoAlignment.Video;

namespace Microsoft.ML.VideoAlignment.MLNet;

/// <summary>One image from the user, [3, H, W], RGB in [0, 1]. It becomes a tensor on request; the caller owns the returned tensor.</summary>
internal static class InputImage
{
    /// <summary>Prepares an image file, which is looked up now and read later: upright, on white where it is transparent.</summary>
    /// <param name="file">A PNG, JPEG, GIF, WebP or BMP file; of an animated one the first frame.</param>
    /// <param name="subject">Subject of error messages, such as "Image column 'Start'".</param>
    /// <param name="limits">The largest file that is read.</param>
    /// <exception cref="FileNotFoundException">The file does not exist.</exception>
    public static Func<Tensor> FromFile(string file, string subject, ImageLimits limits)
    {
        if (!File.Exists(file))
        {
            throw new FileNotFoundException($"{subject}: no image '{Quotation.Shorten(file)}'. Expected the path of a {ImageFormat.Names} file.", file);
        }

        return () =>
        {
            try
            {
                using ImageFile image = ImageFile.Open(file, limits);
                return image.DecodeFirst().ToTensor();
            }
            catch (InvalidDataException error)
            {
                throw new InvalidDataException($"{subject}: {error.Message}", error);
            }
        };
    }

    /// <summary>Logs a message when the image has another size than the videos.</summary>
    /// <param name="image">Creates the image [3, H, W].</param>
    /// <param name="subject">Subject of the message, such as "Image column 'Start'".</param>
    /// <param name="size">Size of the videos.</param>
    /// <param name="log">Receives the message.</param>
    /// <returns>A function that creates the same image.</returns>
    public static Func<Tensor> LogResize(Func<Tensor> image, string subject, VideoSize size, Action<string> log) => () =>
    {
        Tensor made = image();
        if (made.shape[1] != size.Height || made.shape[2] != size.Width)
        {
            log($"{subject}: an image of {made.shape[1]} x {made.shape[2]} (height x width) is resized to the video's {size.Height} x {size.Width}.");
        }

        return made;
    };
}
