using System.Text.Json;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>Reads a tokenizer folder as transformers writes it.</summary>
/// <remarks>
/// Vocabulary: vocab.json and merges.txt, or tokenizer.json alone (newest tools). Special tokens: special_tokens_map.json first (the two files disagree about
/// pad_token in real folders), then tokenizer_config.json, which also has model_max_length. Added tokens: see <see cref="AddedTokenFiles"/>.
/// </remarks>
internal static class ClipTokenizerFolder
{
    /// <summary>The largest model_max_length that is a real limit; where none is set, transformers writes 10^30.</summary>
    public const double LargestLength = 1e6;

    /// <summary>Reads a tokenizer.</summary>
    /// <param name="folder">The folder.</param>
    /// <exception cref="FileNotFoundException">The folder has no vocabulary.</exception>
    /// <exception cref="InvalidDataException">A file in it holds values of the wrong kind.</exception>
    public static ClipTokenizer Read(string folder) => Guarded(folder, () =>
    {
        (BpeVocabulary vocabulary, ClipTokenizerOptions options) = OpenFiles(folder);
        return new ClipTokenizer(vocabulary, options);
    });

    /// <summary>Reads the vocabulary and the options of a tokenizer.</summary>
    /// <param name="folder">The folder.</param>
    /// <exception cref="FileNotFoundException">The folder has no vocabulary.</exception>
    /// <exception cref="InvalidDataException">A file in it holds values of the wrong kind.</exception>
    public static (BpeVocabulary Vocabulary, ClipTokenizerOptions Options) Open(string folder) => Guarded(folder, () => OpenFiles(folder));

    private static T Guarded<T>(string folder, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception exception) when (
            exception is JsonException or KeyNotFoundException or InvalidOperationException or FormatException or OverflowException or ArgumentException)
        {
            throw new InvalidDataException($"The tokenizer in {folder} is damaged, or of another kind than CLIP's: {exception.Message}", exception);
        }
    }

    private static (BpeVocabulary Vocabulary, ClipTokenizerOptions Options) OpenFiles(string folder)
    {
        JsonElement config = AddedTokenFiles.ReadJson(folder, "tokenizer_config.json");
        JsonElement map = AddedTokenFiles.ReadJson(folder, "special_tokens_map.json");
        JsonElement whole = AddedTokenFiles.ReadJson(folder, "tokenizer.json");
        string vocab = Path.Combine(folder, "vocab.json");
        string merges = Path.Combine(folder, "merges.txt");
        BpeVocabulary vocabulary = !File.Exists(vocab) && whole.ValueKind == JsonValueKind.Object
            ? BpeVocabulary.FromTokenizerJson(whole)
            : BpeVocabulary.FromVocabAndMerges(vocab, merges);
        var defaults = new ClipTokenizerOptions();
        string Token(string key, string absent) => Content(map, key) ?? Content(config, key) ?? absent;
        return (vocabulary, new ClipTokenizerOptions
        {
            StartToken = Token("bos_token", defaults.StartToken),
            EndToken = Token("eos_token", defaults.EndToken),
            UnknownToken = Token("unk_token", defaults.UnknownToken),
            PadToken = Token("pad_token", defaults.PadToken),
            MaxLength = AddedTokenFiles.Find(config, "model_max_length") is { ValueKind: JsonValueKind.Number } length && length.GetDouble() <= LargestLength
                ? length.GetInt32()
                : defaults.MaxLength,
            AddedTokens = AddedTokenFiles.Read(AddedTokenFiles.ReadJson(folder, "added_tokens.json"), whole, config, folder),
        });
    }

    // A token is a text, or an object with its content.
    private static string? Content(JsonElement json, string key) => AddedTokenFiles.Find(json, key) switch
    {
        { ValueKind: JsonValueKind.String } text => text.GetString(),
        { ValueKind: JsonValueKind.Object } token when token.TryGetProperty("content", out JsonElement content) => content.GetString(),
        _ => null,
    };
}
