using System.Text;

namespace Microsoft.ML.VideoAlignment.Files;

/// <summary>Recognizes a file by its first bytes, for errors about a file that is not what its name promises.</summary>
internal static class FileSignatures
{
    /// <summary>The number of bytes to pass to <see cref="Describe"/>, from the start of the file.</summary>
    public const int HeadBytes = 512;

    /// <summary>Describes what the bytes are, such as "it is a Git LFS pointer ..."; null for a kind that is not known by sight.</summary>
    /// <param name="head">The first bytes of the file, at most <see cref="HeadBytes"/>; empty for an empty file.</param>
    public static string? Describe(ReadOnlySpan<byte> head)
    {
        string text = Encoding.Latin1.GetString(head).TrimStart('\ufeff', '\u00ef', '\u00bb', '\u00bf', ' ', '\t', '\r', '\n');
        bool Starts(string with) => text.StartsWith(with, StringComparison.OrdinalIgnoreCase);
        return head.Length == 0 ? "it is empty (0 bytes)"
            : Starts("version https://git-lfs") ? "it is a Git LFS pointer, the stand-in for a file that was not downloaded; fetch it with 'git lfs pull'"
            : Starts("<!doctype") || Starts("<html") || Starts("<?xml") || Starts("<head")
                ? "it is a web page, such as a download that ended at a login or an error; download it again"
            : Utf16(head) is { } utf16 ? utf16
            : Starts("{") ? "it is JSON"
            : Starts("GGUF") ? "it is a GGUF file"
            : Starts("\u0089HDF") ? "it is an HDF5 file (Keras)"
            : Starts("\u0093NUMPY") ? "it is a NumPy array"
            : Starts("\u001f\u008b") ? "it is gzip-compressed; unpack it first"
            : Starts("Rar!") || Starts("7z\u00bc\u00af") ? "it is an archive; unpack it first"
            : head.Length > 262 && Encoding.Latin1.GetString(head.Slice(257, 5)) == "ustar" ? "it is a tar archive; unpack it first"
            : Starts("(") || Starts("c__") || Starts("cposix") ? "it looks like a bare pickle of protocol 0"
            : null;
    }

    /// <summary>Whether the bytes begin a JSON object, after an optional byte order mark and blanks.</summary>
    /// <param name="head">The first bytes of the file.</param>
    public static bool IsJson(ReadOnlySpan<byte> head)
    {
        ReadOnlySpan<byte> text = head.StartsWith((ReadOnlySpan<byte>)[0xef, 0xbb, 0xbf]) ? head[3..] : head;
        return text.TrimStart(" \t\r\n"u8) is [(byte)'{', ..];
    }

    private static string? Utf16(ReadOnlySpan<byte> head) =>
        head.StartsWith((ReadOnlySpan<byte>)[0xff, 0xfe]) || head.StartsWith((ReadOnlySpan<byte>)[0xfe, 0xff])
            ? "it is text in UTF-16; save it as UTF-8"
            : null;
}
