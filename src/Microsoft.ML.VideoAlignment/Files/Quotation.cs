namespace Microsoft.ML.VideoAlignment.Files;

/// <summary>A user's text as a message quotes it: whole where it is short, else its beginning and its length.</summary>
internal static class Quotation
{
    /// <summary>The characters that are shown; the longest prompt of the usual encoders has about as many.</summary>
    public const int MaxLength = 500;

    /// <summary>Shortens a text that would drown its message.</summary>
    /// <param name="text">Any text.</param>
    /// <returns>The text itself up to <see cref="MaxLength"/> characters, else as many, with the number of all.</returns>
    public static string Shorten(string text)
    {
        if (text.Length <= MaxLength)
        {
            return text;
        }

        int shown = char.IsHighSurrogate(text[MaxLength - 1]) ? MaxLength - 1 : MaxLength;
        return $"{text.AsSpan(0, shown)}... ({shown} of {text.Length} characters)";
    }
}
