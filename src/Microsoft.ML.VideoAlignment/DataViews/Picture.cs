using Microsoft.ML.Data;

namespace Microsoft.ML.VideoAlignment.DataViews;

/// <summary>One picture of a user's, [3, H, W], RGB in [0, 1], made into a tensor when it is asked for; who asks owns it.</summary>
internal static class Picture
{
    /// <summary>A picture file, which is looked for now and read later.</summary>
    /// <param name="file">PNG, JPEG, BMP or GIF.</param>
    /// <param name="named">Who names it, for errors.</param>
    /// <exception cref="FileNotFoundException">It is not there.</exception>
    public static Func<Tensor> FromFile(string file, string named)
    {
        if (!File.Exists(file))
        {
            throw new FileNotFoundException($"{named}: no picture '{file}'. Expected the path of a PNG, JPEG, BMP or GIF file.", file);
        }

        return () =>
        {
            using MLImage image = Open(file, named);
            return MlImagePixels.Read(image).ToTensor();
        };
    }

    /// <summary>The same picture, about which <paramref name="say"/> is told where it is not of this size.</summary>
    public static Func<Tensor> Announced(Func<Tensor> picture, string named, VideoSize size, Action<string> say) => () =>
    {
        Tensor made = picture();
        if (made.shape[1] != size.Height || made.shape[2] != size.Width)
        {
            say($"{named}: a picture of {made.shape[1]} x {made.shape[2]} (height x width) is resized to the video's {size.Height} x {size.Width}.");
        }

        return made;
    };

    private static MLImage Open(string file, string named)
    {
        try
        {
            return MLImage.CreateFromFile(file);
        }
        catch (ArgumentException error)
        {
            throw new InvalidDataException($"{named}: '{file}' is no picture that can be read: {error.Message}", error);
        }
    }
}
