using System.Text;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>What OpenCLIP's SimpleTokenizer does to a text before byte-pair merging.</summary>
internal static class OpenClipText
{
    /// <summary>
    /// <see cref="TextRepair"/>, references of HTML decoded twice (published captions have &amp;amp;amp;), white space runs joined to one blank, stripped,
    /// lower case of the whole text (so that a capital sigma at a word's end becomes the final one).
    /// </summary>
    public static string Normalize(string text) => Lower(JoinBlanks(HtmlEntities.Decode(HtmlEntities.Decode(TextRepair.Fix(text)))));

    private static string JoinBlanks(string text)
    {
        var joined = new StringBuilder(text.Length);
        bool blank = false;
        foreach (Rune rune in text.EnumerateRunes())
        {
            if (Rune.IsWhiteSpace(rune))
            {
                blank = joined.Length > 0;
                continue;
            }

            if (blank)
            {
                joined.Append(' ');
                blank = false;
            }

            joined.Append(rune.ToString());
        }

        return joined.ToString();
    }

    private static string Lower(string text)
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

    private static bool IsCased(Rune rune) => Rune.GetUnicodeCategory(rune) is System.Globalization.UnicodeCategory.UppercaseLetter
        or System.Globalization.UnicodeCategory.LowercaseLetter or System.Globalization.UnicodeCategory.TitlecaseLetter;

    private static bool IsCaseIgnorable(Rune rune) => Rune.GetUnicodeCategory(rune) is System.Globalization.UnicodeCategory.NonSpacingMark
        or System.Globalization.UnicodeCategory.EnclosingMark or System.Globalization.UnicodeCategory.Format
        or System.Globalization.UnicodeCategory.ModifierLetter or System.Globalization.UnicodeCategory.ModifierSymbol
        || rune.Value is '\'' or '.' or ':' or 0xB7 or 0x2018 or 0x2019 or 0x2024 or 0x2027;
}
