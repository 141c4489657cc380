using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Numerics;
using System.Text;

namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>Reads the bytes of a pickle. A length is compared with what is left before anything is allocated.</summary>
/// <param name="bytes">The file or record.</param>
/// <param name="position">The offset at which to begin.</param>
/// <param name="location">The file, for errors.</param>
/// <param name="what">The part of the file, for errors.</param>
internal sealed class PickleReader(byte[] bytes, int position, string location, string what)
{
    // Invalid bytes are errors; Python's "surrogatepass" text has no place in names of tensors.
    private static readonly UTF8Encoding s_utf8 = new(false, throwOnInvalidBytes: true);

    /// <summary>How to turn a file that holds more than weights into one that does not; the end of an error text.</summary>
    public const string Remedy = "If you trust who made the file, write its weights alone in Python and pass that file here: "
        + "torch.save(torch.load(\"OLD\", map_location=\"cpu\", weights_only=False)[\"state_dict\"], \"NEW\") "
        + "(without [\"state_dict\"] where the weights are at the top)";

    /// <summary>The most bytes of an integer: Python's own limit on the digits of an integer in text is 4300.</summary>
    public const int MaxIntegerBytes = 1786;

    public int Position { get; private set; } = position;

    public int Remaining => bytes.Length - Position;

    public byte ReadByte() => ReadBytes(1)[0];

    public ushort ReadUInt16() => BinaryPrimitives.ReadUInt16LittleEndian(ReadBytes(2));

    public int ReadInt32() => BinaryPrimitives.ReadInt32LittleEndian(ReadBytes(4));

    public uint ReadUInt32() => BinaryPrimitives.ReadUInt32LittleEndian(ReadBytes(4));

    public ulong ReadUInt64() => BinaryPrimitives.ReadUInt64LittleEndian(ReadBytes(8));

    /// <summary>Reads a float64, the only big-endian number in a pickle.</summary>
    public double ReadDouble() => BinaryPrimitives.ReadDoubleBigEndian(ReadBytes(8));

    public ReadOnlySpan<byte> ReadBytes(ulong count)
    {
        if (count > (ulong)Remaining)
        {
            throw Fault($"{count} bytes are announced, {Remaining} are left; the pickle is truncated or lies");
        }

        ReadOnlySpan<byte> taken = bytes.AsSpan(Position, (int)count);
        Position += (int)count;
        return taken;
    }

    public string ReadText(ulong count) => Decode(ReadBytes(count));

    /// <summary>Reads up to the next line feed, which is consumed and left out.</summary>
    public string ReadLine()
    {
        int length = bytes.AsSpan(Position).IndexOf((byte)'\n');
        if (length < 0)
        {
            throw Fault("a line without an end; the pickle is truncated");
        }

        string line = Decode(ReadBytes((ulong)length));
        Position++;
        return line;
    }

    public BigInteger ParseInteger(string text) =>
        text.Length <= 2 * MaxIntegerBytes && BigInteger.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out BigInteger value)
            ? value
            : throw Fault($"an integer of {text.Length} characters that is malformed or too long");

    /// <summary>Unquotes the argument of STRING (protocol 0), a quoted Python 2 string. Names of tensors need no other escapes than these.</summary>
    /// <param name="line">The argument, quotes included.</param>
    public string Unquote(string line)
    {
        bool quoted = line.Length >= 2 && line[0] == line[^1] && line[0] is '\'' or '"';
        string[] parts = quoted ? line[1..^1].Split(@"\\") : [];
        parts = [.. parts.Select(part => part.Replace(@"\'", "'", StringComparison.Ordinal))];
        return quoted && !parts.Any(part => part.Contains('\\', StringComparison.Ordinal))
            ? string.Join('\\', parts)
            : throw Fault("text without quotes, or with escapes that are not supported");
    }

    /// <summary>Decodes the argument of UNICODE (protocol 0): raw-unicode-escape, \uXXXX only.</summary>
    /// <param name="line">The argument.</param>
    public string Unescape(string line)
    {
        string[] parts = line.Split(@"\u");
        var text = new StringBuilder(parts[0]);
        foreach (string part in parts.Skip(1))
        {
            text.Append(part.Length >= 4 && ushort.TryParse(part.AsSpan(0, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ushort unit)
                ? (char)unit
                : throw Fault(@"a broken \u escape"));
            text.Append(part.AsSpan(4));
        }

        return text.ToString();
    }

    public WeightFileException Fault(string problem, Exception? inner = null) => new(location, $"{what}, byte {Position}: {problem}.", inner);

    /// <summary>A fault of a file that may be sound, but holds something that is not built here.</summary>
    /// <param name="problem">What the file holds.</param>
    public WeightFileException Refused(string problem) => Fault($"{problem}. {Remedy}");

    /// <summary>Throws unless a condition holds.</summary>
    /// <param name="condition">What a sound pickle fulfills.</param>
    /// <param name="problem">What is wrong where it does not.</param>
    /// <exception cref="WeightFileException">The condition does not hold.</exception>
    public void Require([DoesNotReturnIf(false)] bool condition, string problem)
    {
        if (!condition)
        {
            throw Fault(problem);
        }
    }

    private string Decode(ReadOnlySpan<byte> text)
    {
        try
        {
            return s_utf8.GetString(text);
        }
        catch (DecoderFallbackException exception)
        {
            throw Fault("text that is not UTF-8", exception);
        }
    }
}
