using Microsoft.ML.VideoAlignment.Files;
using Microsoft.ML.VideoAlignment.Video;

namespace Microsoft.ML.VideoAlignment.DataViews;

/// <summary>One image of a user's, [3, H, W], RGB in [0, 1], made into a tensor when it is asked for; who asks owns it.</summary>
internal static class InputImage
{
    /// <summary>An image file, which is looked for now and read later: upright, on white where it is transparent.</summary>
    /// <param name="file">A PNG, JPEG, GIF, WebP or BMP file; of an animated one the first frame.</param>
    /// <param name="named">Who names it, for errors.</param>
    /// <param name="limits">The largest file that is read.</param>
    /// <exception cref="FileNotFoundException">It is not there.</exception>
    public static Func<Tensor> FromFile(string file, string named, ImageLimits limits)
    {
        if (!File.Exists(file))
        {
            throw new FileNotFoundException($"{named}: no image '{Quotation.Shorten(file)}'. Expected the path of a {ImageFormat.Names} file.", file);
        }

        return () =>
        {
            try
            {
                using ImageFile image = ImageFile.Open(file, limits);
                return image.First().ToTensor();
            }
            catch (InvalidDataException error)
            {
                throw new InvalidDataException($"{named}: {error.Message}", error);
            }
        };
    }

    /// <summary>The same image, about which <paramref name="say"/> is told where it is not of this size.</summary>
    public static Func<Tensor> Announce(Func<Tensor> image, string named, VideoSize size, Action<string> say) => () =>
    {
        Tensor made = image();
        if (made.shape[1] != size.Height || made.shape[2] != size.Width)
        {
            say($"{named}: an image of {made.shape[1]} x {made.shape[2]} (height x width) is resized to the video's {size.Height} x {size.Width}.");
        }

        return made;
    };
}
