namespace Microsoft.ML.VideoAlignment.Files;

/// <summary>Shortens the user's texts for messages that quote them.</summary>
internal static class Quotation
{
    /// <summary>The most characters of a text that are shown; the longest prompt of the usual encoders has about as many.</summary>
    public const int MaxLength = 500;

    /// <summary>Shortens a text that is too long for a message to its beginning and its length.</summary>
    /// <param name="text">Any text.</param>
    /// <returns>The text itself if it has at most <see cref="MaxLength"/> characters, else its beginning and the number of all.</returns>
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
