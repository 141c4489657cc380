namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>The library whose CLIP tokenizer is followed; both have the same vocabulary and merge alike.</summary>
internal enum ClipTokenizerLibrary
{
    /// <summary>transformers' fast CLIPTokenizer: <see cref="ClipText.Normalize"/>; special tokens are recognized anywhere; padding is a token.</summary>
    Transformers,

    /// <summary>
    /// OpenCLIP's SimpleTokenizer: <see cref="OpenClipText.Normalize"/>; start and end tokens are recognized where a piece of text begins; padding is 0.
    /// </summary>
    OpenClip,
}

/// <summary>The special tokens and the length of a CLIP tokenizer; the defaults are those of transformers' CLIPTokenizer.</summary>
internal sealed record ClipTokenizerOptions
{
    public ClipTokenizerLibrary Library { get; init; }

    public string StartToken { get; init; } = "<|startoftext|>";

    public string EndToken { get; init; } = "<|endoftext|>";

    public string UnknownToken { get; init; } = "<|endoftext|>";

    /// <summary>
    /// The padding token, which is special in a text too: the end token in OpenAI's files, "!" (id 0) in those of Stable Diffusion 2 and ModelScope.
    /// </summary>
    public string PadToken { get; init; } = "<|endoftext|>";

    /// <summary>The number of tokens in a row, start and end included: model_max_length.</summary>
    public int MaxLength { get; init; } = 77;

    /// <summary>Further tokens that are recognized whole anywhere in a text.</summary>
    public IReadOnlyList<AddedToken> AddedTokens { get; init; } = [];

    /// <summary>Returns the id of a token: of an added one, else of the vocabulary; null where neither has it.</summary>
    /// <param name="token">The token.</param>
    /// <param name="vocabulary">The vocabulary.</param>
    public int? Find(string token, BpeVocabulary vocabulary) =>
        AddedTokens.LastOrDefault(added => added.Text == token)?.Id ?? (vocabulary.Ids.TryGetValue(token, out int id) ? id : null);
}
