using System.Globalization;
using System.Text;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>Prepares a text for byte-pair merging as CLIP's tokenizer does: normalization, and the split into words.</summary>
internal static class ClipText
{
    private static readonly string[] s_contractions = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"];

    /// <summary>
    /// Composes NFC, turns every run of white space into one space, and lowers the case character by character (so a final capital sigma becomes the plain
    /// one).
    /// </summary>
    /// <remarks>
    /// As in transformers' fast CLIPTokenizer there is no ftfy and no HTML, and control characters stay. Half of a surrogate pair becomes U+FFFD.
    /// </remarks>
    /// <param name="text">The text as written.</param>
    public static string Normalize(string text)
    {
        var valid = new StringBuilder(text.Length);
        foreach (Rune rune in text.EnumerateRunes())
        {
            valid.Append(rune.ToString());
        }

        var normal = new StringBuilder(valid.Length);
        bool afterSpace = false;
        foreach (Rune rune in CanonicalForm.Compose(valid.ToString()).EnumerateRunes())
        {
            bool space = Rune.IsWhiteSpace(rune);
            if (!space)
            {
                // U+0130 is the one character whose lower case is two; .NET's invariant culture leaves it alone.
                normal.Append(rune.Value == 0x130 ? "i\u0307" : Rune.ToLowerInvariant(rune).ToString());
            }
            else if (!afterSpace)
            {
                normal.Append(' ');
            }

            afterSpace = space;
        }

        return normal.ToString();
    }

    /// <summary>
    /// Splits as 's|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+ does; white space belongs to no piece.
    /// </summary>
    /// <remarks>
    /// It is written out because .NET's regular expressions see characters beyond U+FFFF as two surrogates, which are neither letters nor numbers.
    /// </remarks>
    /// <param name="text">The normalized text.</param>
    /// <param name="whole">Texts that are a piece wherever a piece begins with them; null: none.</param>
    public static IEnumerable<Range> Split(string text, IReadOnlyList<string>? whole = null)
    {
        string[] fixedPieces = [.. whole ?? [], .. s_contractions];
        int start = 0;
        while (start < text.Length)
        {
            Kind kind = KindAt(text, start, out int size);
            int end = start + size;
            string? contraction = fixedPieces.FirstOrDefault(ending => string.CompareOrdinal(text, start, ending, 0, ending.Length) == 0);
            if (contraction is not null)
            {
                end = start + contraction.Length;
            }
            else if (kind is Kind.Letter or Kind.Other)
            {
                while (end < text.Length && KindAt(text, end, out size) == kind)
                {
                    end += size;
                }
            }

            if (kind != Kind.Space)
            {
                yield return start..end;
            }

            start = end;
        }
    }

    private enum Kind
    {
        Space,
        Letter,
        Number,
        Other,
    }

    private static Kind KindAt(string text, int index, out int size)
    {
        Rune rune = Rune.GetRuneAt(text, index);
        size = rune.Utf16SequenceLength;
        return Rune.IsWhiteSpace(rune) ? Kind.Space : Rune.GetUnicodeCategory(rune) switch
        {
            UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter
                or UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter => Kind.Letter,
            UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber => Kind.Number,
            _ => Kind.Other,
        };
    }
}
