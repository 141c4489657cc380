using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>Defines word characters, blanks and borders as Python's patterns do, for rules that were written for them.</summary>
internal static class CaptionText
{
    /// <summary>A character of a word: letters, numbers of all kinds, the underscore; no combining marks, which .NET's \w includes.</summary>
    public const string Word = @"[\p{L}\p{N}_]";

    /// <summary>White space, which in Python includes four control characters (separators).</summary>
    public const string Blank = @"[\s\x1c-\x1f]";

    public const string NoBlank = @"[^\s\x1c-\x1f]";

    /// <summary>A border between a word character and another one.</summary>
    public const string Border = $"(?:(?<={Word})(?!{Word})|(?<!{Word})(?={Word}))";

    // Letters and digits that no caption has: Yi and Cham.
    private const int FirstLetter = 0xA000, LastLetter = 0xA48C, FirstDigit = 0xAA50, LastDigit = 0xAA59;

    /// <summary>Applies rules to a text.</summary>
    /// <remarks>
    /// .NET's patterns see a character beyond U+FFFF as two halves that are not letters, so such letters and digits are replaced by stand-ins meanwhile.
    /// </remarks>
    /// <param name="text">The text.</param>
    /// <param name="rules">The patterns and their replacements, in order.</param>
    public static string Apply(string text, IEnumerable<(Regex Pattern, string Replacement)> rules)
    {
        Dictionary<string, string> standIns = StandIns(text);
        string result = standIns.Aggregate(text, (whole, pair) => whole.Replace(pair.Key, pair.Value, StringComparison.Ordinal));
        result = rules.Aggregate(result, (whole, rule) => rule.Pattern.Replace(whole, rule.Replacement));
        return standIns.Aggregate(result, (whole, pair) => whole.Replace(pair.Value, pair.Key, StringComparison.Ordinal));
    }

    /// <summary>Removes the blanks at both ends.</summary>
    /// <param name="text">The text.</param>
    public static string Strip(string text)
    {
        static bool IsBlank(char letter) => char.IsWhiteSpace(letter) || letter is >= '\u001C' and <= '\u001F';
        int start = 0;
        int end = text.Length;
        while (start < end && IsBlank(text[start]))
        {
            start++;
        }

        while (end > start && IsBlank(text[end - 1]))
        {
            end--;
        }

        return text[start..end];
    }

    /// <summary>
    /// Decodes an address: plus signs to blanks, %XX to the bytes of UTF-8 (invalid ones to U+FFFD); a percent sign without two digits stays.
    /// </summary>
    /// <remarks>Only adjacent bytes form a character.</remarks>
    /// <param name="text">The text.</param>
    public static string DecodeUrl(string text)
    {
        string plain = text.Replace('+', ' ');
        if (!plain.Contains('%', StringComparison.Ordinal))
        {
            return plain;
        }

        var decoded = new StringBuilder(plain.Length);
        List<byte> bytes = [];
        for (int at = 0; at < plain.Length;)
        {
            if (!char.IsAscii(plain[at]))
            {
                Flush();
                decoded.Append(plain[at++]);
            }
            else if (plain[at] == '%' && at + 2 < plain.Length && char.IsAsciiHexDigit(plain[at + 1]) && char.IsAsciiHexDigit(plain[at + 2]))
            {
                bytes.Add(byte.Parse(plain.AsSpan(at + 1, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture));
                at += 3;
            }
            else
            {
                bytes.Add((byte)plain[at++]);
            }
        }

        Flush();
        return decoded.ToString();

        void Flush()
        {
            decoded.Append(Encoding.UTF8.GetString([.. bytes]));
            bytes.Clear();
        }
    }

    private static Dictionary<string, string> StandIns(string text)
    {
        var standIns = new Dictionary<string, string>(StringComparer.Ordinal);
        (int letter, int digit) = (FirstLetter, FirstDigit);
        foreach (Rune rune in text.EnumerateRunes())
        {
            if (rune.IsBmp || !(Rune.IsLetter(rune) || Rune.IsNumber(rune)) || standIns.ContainsKey(rune.ToString()))
            {
                continue;
            }

            bool isDigit = Rune.GetUnicodeCategory(rune) == UnicodeCategory.DecimalDigitNumber;
            ref int next = ref isDigit ? ref digit : ref letter;
            int last = isDigit ? LastDigit : LastLetter;
            while (next <= last && text.Contains((char)next, StringComparison.Ordinal))
            {
                next++;
            }

            if (next <= last)
            {
                standIns[rune.ToString()] = ((char)next++).ToString();
            }
        }

        return standIns;
    }
}
