using System.Globalization;
using Microsoft.ML.VideoAlignment.Video;

namespace Microsoft.ML.VideoAlignment.Media;

/// <summary>Reads a stream of binary PPM images, each of which has its size in its header.</summary>
internal static class PpmStream
{
    private const int LongestNumber = 9;

    /// <summary>Reads the images until the stream ends.</summary>
    /// <param name="stream">As ffmpeg writes it: "P6", width, height and 255, then RGB bytes.</param>
    /// <param name="path">The video, for errors.</param>
    /// <param name="maxPixels">Limit of one image; a larger one is refused by its header.</param>
    /// <exception cref="EndOfStreamException">The stream ends within an image.</exception>
    /// <exception cref="InvalidDataException">The stream is something else, or an image is too large.</exception>
    public static IEnumerable<RgbImage> Read(Stream stream, string path, long maxPixels)
    {
        using var buffered = new BufferedStream(stream, 1 << 16);
        for (int first = buffered.ReadByte(); first >= 0; first = buffered.ReadByte())
        {
            if (first != 'P' || buffered.ReadByte() != '6' || buffered.ReadByte() != '\n')
            {
                throw new InvalidDataException("ffmpeg wrote something else than PPM images.");
            }

            (int width, int height, int most) = (Number(buffered), Number(buffered), Number(buffered));
            if (most != 255 || (long)width * height > maxPixels)
            {
                throw new InvalidDataException(FormattableString.Invariant(
                    $"'{path}' has frames of {width} x {height} pixels: expected at most {maxPixels:N0} in all. ")
                    + $"Make the video smaller, or raise {nameof(VideoReadOptions)}.{nameof(VideoReadOptions.MaxPixels)}.");
            }

            byte[] bytes = new byte[checked(3 * width * height)];
            if (buffered.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false) < bytes.Length)
            {
                throw new EndOfStreamException($"'{path}': ffmpeg ended within a frame.");
            }

            yield return new RgbImage(bytes, height, width);
        }
    }

    // Digits up to one white space, which is consumed as well.
    private static int Number(Stream stream)
    {
        int value = 0;
        for (int digits = 0; digits <= LongestNumber; digits++)
        {
            int read = stream.ReadByte();
            if (digits > 0 && read is ' ' or '\n')
            {
                return value;
            }

            value = read is >= '0' and <= '9'
                ? (value * 10) + (read - '0')
                : throw new InvalidDataException("ffmpeg wrote a PPM header that cannot be read.");
        }

        throw new InvalidDataException($"ffmpeg wrote a number of more than {LongestNumber.ToString(CultureInfo.InvariantCulture)} digits.");
    }
}
