namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>Whose tokenizer it is; both have one vocabulary and one way to merge.</summary>
internal enum ClipTokenizerLibrary
{
    /// <summary>transformers' fast CLIPTokenizer: <see cref="ClipText.Normalize"/>; special tokens wherever they stand; padding is a token.</summary>
    Transformers,

    /// <summary>OpenCLIP's SimpleTokenizer: <see cref="OpenClipText.Normalize"/>; start and end tokens where a piece of text begins; padding is 0.</summary>
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
    /// The end token in OpenAI's files, "!" (id 0) in those of Stable Diffusion 2 and ModelScope. Whatever it is, it is special in a text too.
    /// </summary>
    public string PadToken { get; init; } = "<|endoftext|>";

    /// <summary>Tokens in a row, start and end included: model_max_length.</summary>
    public int MaxLength { get; init; } = 77;

    /// <summary>Further tokens that are recognized whole wherever they stand in a text.</summary>
    public IReadOnlyList<AddedToken> AddedTokens { get; init; } = [];

    /// <summary>The id of a token: an added one's, else the vocabulary's; null: it is in neither.</summary>
    public int? Find(string token, BpeVocabulary vocabulary) =>
        AddedTokens.LastOrDefault(added => added.Text == token)?.Id ?? (vocabulary.Ids.TryGetValue(token, out int id) ? id : null);
}
