namespace Microsoft.ML.VideoAlignment.Video;

/// <summary>An image format that is read: what its files are named, and how they begin.</summary>
internal sealed class ImageFormat
{
    private static readonly ImageFormat[] s_known =
    [
        new("PNG", [".png"], head => head is [0x89, (byte)'P', (byte)'N', (byte)'G', 13, 10, 26, 10, ..]),
        new("JPEG", [".jpg", ".jpeg", ".jpe", ".jfif"], head => head is [0xff, 0xd8, 0xff, ..]),
        new("GIF", [".gif"], head => head.StartsWith("GIF87a"u8) || head.StartsWith("GIF89a"u8)),
        new("WebP", [".webp"], head => head.StartsWith("RIFF"u8) && head.Length >= 12 && head[8..12].SequenceEqual("WEBP"u8)),
        new("BMP", [".bmp", ".dib"], head => head.StartsWith("BM"u8)),
    ];

    private readonly string[] _extensions;
    private readonly Func<ReadOnlySpan<byte>, bool> _begins;

    private ImageFormat(string name, string[] extensions, Func<ReadOnlySpan<byte>, bool> begins) => (Name, _extensions, _begins) = (name, extensions, begins);

    /// <summary>Such as "PNG".</summary>
    public string Name { get; }

    /// <summary>The names of the formats, for errors and texts.</summary>
    public static string Names { get; } = string.Join(", ", s_known[..^1].Select(format => format.Name)) + $" or {s_known[^1].Name}";

    /// <summary>Whether a file of this name is read as an image.</summary>
    /// <param name="path">The file's path.</param>
    public static bool IsNamed(string path) => Named(path) is not null;

    /// <summary>The format of a file, which its name and its content agree on; the content decides where the name has no extension.</summary>
    /// <param name="path">The file's path, of which the extension counts.</param>
    /// <param name="bytes">The file's content.</param>
    /// <exception cref="InvalidDataException">The content is another format's than the extension's, or that of none.</exception>
    public static ImageFormat Require(string path, ReadOnlySpan<byte> bytes)
    {
        ImageFormat? named = Named(path);
        string extension = Path.GetExtension(path);
        if (named is null && extension.Length > 0)
        {
            throw new InvalidDataException($"'{path}' is not read as an image: expected the extension of a {Names} file, got '{extension}'. Convert the file, or give it the extension of its format.");
        }

        ImageFormat? content = null;
        foreach (ImageFormat format in s_known)
        {
            content ??= format._begins(bytes) ? format : null;
        }

        if (content is null)
        {
            throw new InvalidDataException($"'{path}' is no image that can be read: expected the content of a {named?.Name ?? Names} file, got {Kind(bytes)}. Convert it to PNG or JPEG.");
        }

        return named is null || named == content
            ? content
            : throw new InvalidDataException($"'{path}' is a {named.Name} file by its name and a {content.Name} file by its content: rename it to {content._extensions[0]}.");
    }

    private static ImageFormat? Named(string path) => Array.Find(s_known, format => format._extensions.Contains(Path.GetExtension(path), StringComparer.OrdinalIgnoreCase));

    /// <summary>What a file is that is not read, as far as its first bytes say.</summary>
    private static string Kind(ReadOnlySpan<byte> bytes) =>
        bytes.StartsWith("II*\0"u8) || bytes.StartsWith("MM\0*"u8) ? "a TIFF file"
        : bytes.Length > 12 && bytes[4..8].SequenceEqual("ftyp"u8) ? "HEIC, AVIF or MP4"
        : bytes.StartsWith("<"u8) ? "a text such as SVG"
        : "something else";
}
