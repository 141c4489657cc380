using System.Text;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>Lower case of a whole text, as Python's str.lower: a capital sigma at a word's end becomes the final one. No machine's culture takes part.</summary>
internal static class LowerCase
{
    public static string Convert(string text)
    {
        var lower = new StringBuilder(text.Length);
        Rune[] runes = [.. text.EnumerateRunes()];
        for (int i = 0; i < runes.Length; i++)
        {
            lower.Append(runes[i].Value switch
            {
                0x130 => "i\u0307",
                0x3A3 => EndsAWord(runes, i) ? "\u03C2" : "\u03C3",
                _ => Rune.ToLowerInvariant(runes[i]).ToString(),
            });
        }

        return lower.ToString();
    }

    /// <summary>The Unicode Standard, table 3-17, Final_Sigma: a cased letter before and none behind; what is case-ignorable between them does not count.</summary>
    private static bool EndsAWord(Rune[] runes, int at)
    {
        int before = at - 1;
        while (before >= 0 && IsCaseIgnorable(runes[before]))
        {
            before--;
        }

        int behind = at + 1;
        while (behind < runes.Length && IsCaseIgnorable(runes[behind]))
        {
            behind++;
        }

        return before >= 0 && IsCased(runes[before]) && !(behind < runes.Length && IsCased(runes[behind]));
    }

    /// <summary>Letters with a case, and what counts as one: the ordinal signs, Roman numerals, letters in circles.</summary>
    private static bool IsCased(Rune rune) => Rune.GetUnicodeCategory(rune) is System.Globalization.UnicodeCategory.UppercaseLetter
        or System.Globalization.UnicodeCategory.LowercaseLetter or System.Globalization.UnicodeCategory.TitlecaseLetter
        || rune.Value is 0xAA or 0xBA or (>= 0x2160 and <= 0x217F) or (>= 0x24B6 and <= 0x24E9);

    private static bool IsCaseIgnorable(Rune rune) => Rune.GetUnicodeCategory(rune) is System.Globalization.UnicodeCategory.NonSpacingMark
        or System.Globalization.UnicodeCategory.EnclosingMark or System.Globalization.UnicodeCategory.Format
        or System.Globalization.UnicodeCategory.ModifierLetter or System.Globalization.UnicodeCategory.ModifierSymbol
        || rune.Value is '\'' or '.' or ':' or 0xB7 or 0x2018 or 0x2019 or 0x2024 or 0x2027;
}
