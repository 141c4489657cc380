namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>Prepares a text for byte-pair merging as OpenCLIP's SimpleTokenizer does.</summary>
internal static class OpenClipText
{
    /// <summary>Cleans the text (<see cref="PromptText"/>) and lowers the case.</summary>
    /// <remarks>The case is that of the whole text, so that a capital sigma at a word's end becomes the final one.</remarks>
    /// <param name="text">The text as written.</param>
    public static string Normalize(string text) => LowerCase.Convert(PromptText.Clean(text));
}
