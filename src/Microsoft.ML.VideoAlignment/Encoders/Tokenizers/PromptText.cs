using System.Text;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>Cleans a prompt as published text encoders were given theirs: diffusers' prompt_clean, and the first half of open_clip's cleaning.</summary>
internal static class PromptText
{
    /// <summary>
    /// Repairs the text (<see cref="TextRepair"/>), decodes HTML references twice (published captions have &amp;amp;amp;), joins white space runs to one blank,
    /// and strips. The case stays.
    /// </summary>
    /// <param name="text">The text as written.</param>
    public static string Clean(string text) => JoinBlanks(HtmlEntities.Decode(HtmlEntities.Decode(TextRepair.Fix(text))));

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
