using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.ML.VideoAlignment.Video;

namespace Microsoft.ML.VideoAlignment.Media;

/// <summary>
/// Stores videos with an odd side in files whose sides must be even, since color is stored per 2 x 2 pixels: adds one line, and the original size as the file's
/// comment.
/// </summary>
internal static partial class OriginalSize
{
    private const string Mark = "Microsoft.ML.VideoAlignment: ";

    /// <summary>The arguments that make ffmpeg store the size; none where both sides are even.</summary>
    /// <param name="height">Height of the video in pixels.</param>
    /// <param name="width">Width of the video in pixels.</param>
    public static string[] CreateArguments(int height, int width) =>
        height % 2 == 0 && width % 2 == 0 ? [] : ["-metadata", string.Create(CultureInfo.InvariantCulture, $"comment={Mark}{width} x {height} pixels")];

    /// <summary>Reads the original height and width from a file's metadata; null where they are not there.</summary>
    /// <param name="metadata">In ffmpeg's format "ffmetadata".</param>
    public static (int Height, int Width)? Read(string metadata) => Comment().Match(metadata) is { Success: true } found
        && int.TryParse(found.Groups["width"].Value, CultureInfo.InvariantCulture, out int width)
        && int.TryParse(found.Groups["height"].Value, CultureInfo.InvariantCulture, out int height)
            ? (height, width)
            : null;

    /// <summary>Repeats the last column and the last row where their number is odd.</summary>
    /// <param name="pixels">[H, W, 3].</param>
    /// <param name="height">H.</param>
    /// <param name="width">W.</param>
    /// <returns>Pixels with even sides; the same array where they already are.</returns>
    public static byte[] Extend(byte[] pixels, int height, int width)
    {
        if (height % 2 == 0 && width % 2 == 0)
        {
            return pixels;
        }

        int row = 3 * (width + (width % 2));
        byte[] even = new byte[(height + (height % 2)) * row];
        for (int y = 0; y < even.Length / row; y++)
        {
            ReadOnlySpan<byte> source = pixels.AsSpan(Math.Min(y, height - 1) * 3 * width, 3 * width);
            source.CopyTo(even.AsSpan(y * row));
            source[^3..].CopyTo(even.AsSpan(((y + 1) * row) - 3));
        }

        return even;
    }

    /// <summary>Removes the added lines.</summary>
    /// <param name="image">The image as the file has it.</param>
    /// <param name="size">The original size; null: not known.</param>
    /// <returns>The original image; the same one where its size does not come from that size by adding lines.</returns>
    public static RgbImage Cut(RgbImage image, (int Height, int Width)? size)
    {
        if (size is not { } original || image.Height != original.Height + (original.Height % 2) || image.Width != original.Width + (original.Width % 2))
        {
            return image;
        }

        byte[] bytes = new byte[3 * original.Height * original.Width];
        for (int y = 0; y < original.Height; y++)
        {
            image.Bytes.AsSpan(3 * y * image.Width, 3 * original.Width).CopyTo(bytes.AsSpan(3 * y * original.Width));
        }

        return new RgbImage(bytes, original.Height, original.Width);
    }

    [GeneratedRegex(
        @"^comment=" + Mark + @"(?<width>[0-9]{1,9}) x (?<height>[0-9]{1,9}) pixels$", RegexOptions.Multiline | RegexOptions.CultureInvariant)]
    private static partial Regex Comment();
}
