using System.Text;

namespace Microsoft.ML.VideoAlignment.Files;

/// <summary>Reads text files that other programs wrote: UTF-8, with or without a byte order mark. Every error names the file.</summary>
internal static class TextFile
{
    /// <summary>The default limit in bytes; the largest tokenizer.json published has 35 MB.</summary>
    public const int MaxBytes = 128 << 20;

    private static readonly UTF8Encoding s_utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Reads a file's text without its byte order mark.</summary>
    /// <param name="path">The file.</param>
    /// <param name="maxBytes">The largest size in bytes that is read.</param>
    /// <exception cref="WeightFileException">The file is missing, a folder, too large, or not UTF-8.</exception>
    public static string Read(string path, int maxBytes = MaxBytes) => Decode(Bytes(path, maxBytes), path);

    /// <summary>Reads the lines of a file; both LF and CRLF end a line.</summary>
    /// <inheritdoc cref="Read"/>
    public static IReadOnlyList<string> ReadLines(string path, int maxBytes = MaxBytes)
    {
        var lines = new List<string>();
        using var reader = new StringReader(Read(path, maxBytes));
        while (reader.ReadLine() is { } line)
        {
            lines.Add(line);
        }

        return lines;
    }

    /// <summary>Decodes the bytes of a file.</summary>
    /// <param name="bytes">The whole file.</param>
    /// <param name="location">Its path, for errors.</param>
    /// <exception cref="WeightFileException">The bytes are not UTF-8.</exception>
    public static string Decode(ReadOnlySpan<byte> bytes, string location)
    {
        ReadOnlySpan<byte> text = bytes.StartsWith((ReadOnlySpan<byte>)[0xef, 0xbb, 0xbf]) ? bytes[3..] : bytes;
        try
        {
            return s_utf8.GetString(text);
        }
        catch (DecoderFallbackException exception)
        {
            string described = FileSignatures.Describe(bytes[..Math.Min(bytes.Length, FileSignatures.HeadBytes)])
                ?? $"byte {exception.Index} is not UTF-8; save it as UTF-8";
            throw new WeightFileException(location, $"is not a readable text file: {described}.", exception);
        }
    }

    private static byte[] Bytes(string path, int maxBytes)
    {
        try
        {
            using FileStream file = File.OpenRead(path);
            if (file.Length > maxBytes)
            {
                throw new WeightFileException(path, $"has {file.Length} bytes; at most {maxBytes} are read of such a file.");
            }

            byte[] bytes = new byte[file.Length];
            file.ReadExactly(bytes);
            return bytes;
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new WeightFileException(path, "there is no such file.", exception);
        }
        catch (Exception exception) when (exception is (IOException and not WeightFileException) or UnauthorizedAccessException)
        {
            string problem = Directory.Exists(path) ? "is a folder; a file is expected." : $"cannot be read: {exception.Message}";
            throw new WeightFileException(path, problem, exception);
        }
    }
}
