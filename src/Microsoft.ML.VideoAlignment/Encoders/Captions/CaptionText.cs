using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>What Python's patterns mean by word characters, blanks and borders, for rules that were written for them.</summary>
internal static class CaptionText
{
    /// <summary>A character of a word: letters, numbers of all kinds, the low line; no marks, which .NET's \w has.</summary>
    public const string Word = @"[\p{L}\p{N}_]";

    /// <summary>White space; to Python four separators among the controls are.</summary>
    public const string Blank = @"[\s\x1c-\x1f]";

    public const string NoBlank = @"[^\s\x1c-\x1f]";

    /// <summary>A border between a character of a word and another.</summary>
    public const string Border = $"(?:(?<={Word})(?!{Word})|(?<!{Word})(?={Word}))";

    // Letters and digits that no caption has: of the Yi and of the Cham.
    private const int FirstLetter = 0xA000, LastLetter = 0xA48C, FirstDigit = 0xAA50, LastDigit = 0xAA59;

    /// <summary>
    /// Applies rules to a text. .NET's patterns see a character beyond U+FFFF as two halves that are no letters, so letters and digits up there are stood in for
    /// meanwhile.
    /// </summary>
    public static string Apply(string text, IEnumerable<(Regex Pattern, string Replacement)> rules)
    {
        Dictionary<string, string> standIns = StandIns(text);
        string result = standIns.Aggregate(text, (whole, pair) => whole.Replace(pair.Key, pair.Value, StringComparison.Ordinal));
        result = rules.Aggregate(result, (whole, rule) => rule.Pattern.Replace(whole, rule.Replacement));
        return standIns.Aggregate(result, (whole, pair) => whole.Replace(pair.Value, pair.Key, StringComparison.Ordinal));
    }

    /// <summary>Without blanks at the ends.</summary>
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
    /// Plus signs to blanks, %XX to the bytes of UTF-8 (bad ones to U+FFFD); a percent sign without two digits stays. Bytes of one character are next to each other.
    /// </summary>
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
