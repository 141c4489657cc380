using System.Text;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>Undoes UTF-8 that was read as Windows-1252 or Latin-1 ("cafÃ©").</summary>
/// <remarks>
/// It is a careful part of what ftfy does, which also knows five rarer encodings, and weighs whole texts where this weighs runs of sequences. Text that was
/// never broken stays, unless it happens to spell UTF-8 in letters that words do not have.
/// </remarks>
internal static class Mojibake
{
    // Windows-1252's bytes 0x80 to 0x9F; the five undefined ones stay control characters.
    private const string HighPart =
        "\u20AC\u0081\u201A\u0192\u201E\u2026\u2020\u2021\u02C6\u2030\u0160\u2039\u0152\u008D\u017D\u008F"
        + "\u0090\u2018\u2019\u201C\u201D\u2022\u2013\u2014\u02DC\u2122\u0161\u203A\u0153\u009D\u017E\u0178";

    // What follows letters in good texts too: quotes, dashes, ellipsis, guillemets, signs.
    private const string Common = "\u2018\u2019\u201C\u201D\u2026\u2013\u2014\u2039\u203A\u2122\u00A9\u00AE\u00AB\u00BB\u00A0\u00B0\u00A1\u00BF";

    /// <summary>Returns the character of a byte: 0x80 to 0x9F as in Windows-1252, all others as in Latin-1.</summary>
    /// <param name="code">The byte.</param>
    public static char FromWindows1252(byte code) => code is >= 0x80 and <= 0x9F ? HighPart[code - 0x80] : (char)code;

    /// <summary>Decodes again, once, what was decoded wrongly; returns the text itself where nothing was.</summary>
    /// <param name="text">The text.</param>
    public static string Repair(string text)
    {
        if (!text.Any(letter => letter >= 0xC2))
        {
            return text;
        }

        var repaired = new StringBuilder(text.Length);
        for (int at = 0; at < text.Length;)
        {
            (string run, int length, bool sure) = Run(text, at);
            if (sure)
            {
                repaired.Append(run);
                at += length;
            }
            else if (LostBlank(text, at) is { } blank)
            {
                repaired.Append('\u00E0').Append(blank);
                at += 2;
            }
            else
            {
                int copied = Math.Max(length, 1);
                repaired.Append(text, at, copied);
                at += copied;
            }
        }

        return repaired.ToString();
    }

    // The sequences that follow one another from here on, and whether one of them is implausible as text.
    private static (string Decoded, int Length, bool Sure) Run(string text, int at)
    {
        var decoded = new StringBuilder();
        int length = 0;
        bool sure = false;
        while (Sequence(text, at + length) is { } sequence)
        {
            sure |= sequence.Sure;
            decoded.Append(sequence.Decoded);
            length += sequence.Length;
        }

        return (decoded.ToString(), length, sure);
    }

    private static (string Decoded, int Length, bool Sure)? Sequence(string text, int at)
    {
        int lead = Byte(text, at);
        int length = lead switch { >= 0xC2 and <= 0xDF => 2, >= 0xE0 and <= 0xEF => 3, >= 0xF0 and <= 0xF4 => 4, _ => 0 };
        if (length == 0 || at + length > text.Length)
        {
            return null;
        }

        byte[] bytes = [.. Enumerable.Range(at, length).Select(i => (byte)Byte(text, i))];
        if (Rune.DecodeFromUtf8(bytes, out Rune rune, out int read) != System.Buffers.OperationStatus.Done || read != length || rune.Value < 0xA0)
        {
            return null;
        }

        bool rare = Enumerable.Range(at + 1, length - 1).Any(i => !Common.Contains(text[i], StringComparison.Ordinal));
        bool inside = at + length < text.Length && char.IsLetter(text[at + length]);
        bool accented = text[at] is '\u00C2' or '\u00C3';

        // A word may end in a capital A with circumflex or tilde and be followed by a quote; what follows them inside a word is not punctuation.
        bool foreign = accented && (inside || text[at + 1] is '\u00A0' or '\u00A1' or '\u00A9' or '\u00AE' or '\u00B0' or '\u00AB' or '\u00BF');
        return (rune.ToString(), length, rare || foreign);
    }

    // "voilÃ le": the second byte of an a with grave accent is a non-breaking blank; a plain one took its place.
    private static string? LostBlank(string text, int at) =>
        text[at] == '\u00C3' && at > 0 && char.IsAsciiLetterLower(text[at - 1]) && at + 1 < text.Length && text[at + 1] == ' '
            ? at + 2 < text.Length && text[at + 2] == ' ' ? "" : " "
            : null;

    // The byte whose character this is; -1 where there is none.
    private static int Byte(string text, int at)
    {
        if (at >= text.Length)
        {
            return -1;
        }

        int high = text[at] >= 0x80 ? HighPart.IndexOf(text[at], StringComparison.Ordinal) : -1;
        return high >= 0 ? 0x80 + high : text[at] <= 0xFF ? text[at] : -1;
    }
}
