using Microsoft.ML.Data;
using Microsoft.ML.VideoAlignment.Video;

namespace Microsoft.ML.VideoAlignment.MLNet;

/// <summary>The pixels of an <see cref="MLImage"/>, which holds four bytes each, colors multiplied by alpha.</summary>
internal static class MlImagePixels
{
    /// <summary>Reads the pixels, blended onto white as those of a file are.</summary>
    /// <param name="image">An image in memory. If every alpha is 0 but colors are not, it has no alpha: those bytes are padding.</param>
    public static RgbImage Read(MLImage image)
    {
        byte[] bytes = MlNetInterop.ReadPixels(image);
        bool opaque = MlNetInterop.IsOpaque(image) || (bytes.AsSpan().ContainsAnyExcept((byte)0) && AlphasAreZero(bytes));
        if (opaque)
        {
            for (int alpha = 3; alpha < bytes.Length; alpha += 4)
            {
                bytes[alpha] = 255;
            }
        }

        return RgbImage.FromPremultiplied(bytes, image.Height, image.Width, image.PixelFormat == MLPixelFormat.Bgra32);
    }

    private static bool AlphasAreZero(byte[] bytes)
    {
        for (int alpha = 3; alpha < bytes.Length; alpha += 4)
        {
            if (bytes[alpha] != 0)
            {
                return false;
            }
        }

        return true;
    }
}
