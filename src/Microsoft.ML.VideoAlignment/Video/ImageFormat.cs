namespace Microsoft.ML.VideoAlignment.Video;

/// <summary>A readable image format: its file extensions, and how its files begin.</summary>
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

    /// <summary>The name of the format, such as "PNG".</summary>
    public string Name { get; }

    /// <summary>The names of all readable formats, for errors and documentation.</summary>
    public static string Names { get; } = string.Join(", ", s_known[..^1].Select(format => format.Name)) + $" or {s_known[^1].Name}";

    /// <summary>Whether a file of this name is read as an image.</summary>
    /// <param name="path">The file's path.</param>
    public static bool HasKnownExtension(string path) => Named(path) is not null;

    /// <summary>Returns the format of a file, on which its name and its content must agree; the content decides where the name has no extension.</summary>
    /// <param name="path">The file's path, of which the extension counts.</param>
    /// <param name="bytes">The file's content.</param>
    /// <exception cref="InvalidDataException">The content is of another format than the extension says, or of none.</exception>
    public static ImageFormat Require(string path, ReadOnlySpan<byte> bytes)
    {
        ImageFormat? named = Named(path);
        string extension = Path.GetExtension(path);
        if (named is null && extension.Length > 0)
        {
            throw new InvalidDataException($"'{path}' is not read as an image: expected the extension of a {Names} file, got '{extension}'. "
                + "Convert the file, or give it the extension of its format.");
        }

        ImageFormat? content = null;
        foreach (ImageFormat format in s_known)
        {
            content ??= format._begins(bytes) ? format : null;
        }

        if (content is null)
        {
            throw new InvalidDataException($"'{path}' is not a readable image: expected the content of a {named?.Name ?? Names} file, "
                + $"got {Kind(bytes)}. Convert it to PNG or JPEG.");
        }

        return named is null || named == content
            ? content
            : throw new InvalidDataException($"'{path}' is a {named.Name} file by its name and a {content.Name} file by its content: "
                + $"rename it to {content._extensions[0]}.");
    }

    private static ImageFormat? Named(string path) =>
        Array.Find(s_known, format => format._extensions.Contains(Path.GetExtension(path), StringComparer.OrdinalIgnoreCase));

    // Says what an unreadable file is, as far as its first bytes tell.
    private static string Kind(ReadOnlySpan<byte> bytes) =>
        bytes.StartsWith("II*\0"u8) || bytes.StartsWith("MM\0*"u8) ? "a TIFF file"
        : bytes.Length > 12 && bytes[4..8].SequenceEqual("ftyp"u8) ? "HEIC, AVIF or MP4"
        : bytes.StartsWith("<"u8) ? "a text such as SVG"
        : "something else";
}
