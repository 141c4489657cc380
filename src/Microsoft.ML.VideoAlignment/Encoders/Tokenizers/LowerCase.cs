using System.Text;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>
/// Lowers the case of a whole text as Python's str.lower does: a capital sigma at a word's end becomes the final one. The machine's culture has no effect.
/// </summary>
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

    // The Unicode Standard, table 3-17, Final_Sigma: a cased letter before and none after; case-ignorable characters between them do not count.
    private static bool EndsAWord(Rune[] runes, int at)
    {
        int before = at - 1;
        while (before >= 0 && IsCaseIgnorable(runes[before]))
        {
            before--;
        }

        int after = at + 1;
        while (after < runes.Length && IsCaseIgnorable(runes[after]))
        {
            after++;
        }

        return before >= 0 && IsCased(runes[before]) && !(after < runes.Length && IsCased(runes[after]));
    }

    // Letters with a case, and what counts as one: the ordinal signs, Roman numerals, letters in circles.
    private static bool IsCased(Rune rune) => Rune.GetUnicodeCategory(rune) is System.Globalization.UnicodeCategory.UppercaseLetter
        or System.Globalization.UnicodeCategory.LowercaseLetter or System.Globalization.UnicodeCategory.TitlecaseLetter
        || rune.Value is 0xAA or 0xBA or (>= 0x2160 and <= 0x217F) or (>= 0x24B6 and <= 0x24E9);

    private static bool IsCaseIgnorable(Rune rune) => Rune.GetUnicodeCategory(rune) is System.Globalization.UnicodeCategory.NonSpacingMark
        or System.Globalization.UnicodeCategory.EnclosingMark or System.Globalization.UnicodeCategory.Format
        or System.Globalization.UnicodeCategory.ModifierLetter or System.Globalization.UnicodeCategory.ModifierSymbol
        || rune.Value is '\'' or '.' or ':' or 0xB7 or 0x2018 or 0x2019 or 0x2024 or 0x2027;
}
