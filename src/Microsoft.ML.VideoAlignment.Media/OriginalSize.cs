using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.ML.VideoAlignment.Video;

namespace Microsoft.ML.VideoAlignment.Media;

/// <summary>Videos with an odd side in files whose sides are even, since color is kept for two by two pixels: one more line, and the size in the file's comment.</summary>
internal static partial class OriginalSize
{
    private const string Mark = "Microsoft.ML.VideoAlignment: ";

    /// <summary>What ffmpeg is told of the size; nothing where it is even.</summary>
    public static string[] Arguments(int height, int width) =>
        height % 2 == 0 && width % 2 == 0 ? [] : ["-metadata", string.Create(CultureInfo.InvariantCulture, $"comment={Mark}{width} x {height} pixels")];

    /// <summary>The height and width that a file's metadata (ffmpeg's "ffmetadata") tell; null where they do not.</summary>
    public static (int Height, int Width)? Read(string metadata) => Comment().Match(metadata) is { Success: true } found
        && int.TryParse(found.Groups["width"].Value, CultureInfo.InvariantCulture, out int width) && int.TryParse(found.Groups["height"].Value, CultureInfo.InvariantCulture, out int height)
            ? (height, width)
            : null;

    /// <summary>Pixels [H, W, 3] with the last column and row once more where there is an odd number of them.</summary>
    public static byte[] Extended(byte[] pixels, int height, int width)
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

    /// <summary>The image without the added lines; the same one where the size is not its own less one line.</summary>
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

    [GeneratedRegex(@"^comment=" + Mark + @"(?<width>[0-9]{1,9}) x (?<height>[0-9]{1,9}) pixels$", RegexOptions.Multiline | RegexOptions.CultureInvariant)]
    private static partial Regex Comment();
}
