using System.Text;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>Prepares a text for byte-pair merging as OpenCLIP's SimpleTokenizer does.</summary>
internal static class OpenClipText
{
    /// <summary>
    /// Repairs the text (<see cref="TextRepair"/>), decodes HTML references twice (published captions have &amp;amp;amp;), joins white space runs to one blank,
    /// strips, and lowers the case.
    /// </summary>
    /// <remarks>The case is that of the whole text, so that a capital sigma at a word's end becomes the final one.</remarks>
    /// <param name="text">The text as written.</param>
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
