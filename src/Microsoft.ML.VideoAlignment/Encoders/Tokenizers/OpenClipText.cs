using System.Text;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>What OpenCLIP's SimpleTokenizer does to a text before byte-pair merging.</summary>
internal static class OpenClipText
{
    /// <summary>
    /// <see cref="TextRepair"/>, references of HTML decoded twice (published captions have &amp;amp;amp;), white space runs joined to one blank, stripped,
    /// lower case of the whole text (so that a capital sigma at a word's end becomes the final one).
    /// </summary>
    public static string Normalize(string text) => LowerCase.Convert(JoinBlanks(HtmlEntities.Decode(HtmlEntities.Decode(TextRepair.Fix(text)))));

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
}
