using System.Text.Json;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>
/// A tokenizer folder as transformers writes it. Vocabulary: vocab.json and merges.txt, or tokenizer.json alone (newest tools). Special tokens:
/// special_tokens_map.json first (the two files disagree about pad_token in real folders), then tokenizer_config.json, which also has model_max_length.
/// </summary>
internal static class ClipTokenizerFolder
{
    // Where nobody set it, transformers writes 10^30.
    private const double LargestLength = 1e6;

    /// <exception cref="FileNotFoundException">The folder has no vocabulary.</exception>
    public static ClipTokenizer Read(string folder)
    {
        (BpeVocabulary vocabulary, ClipTokenizerOptions options) = Open(folder);
        return new ClipTokenizer(vocabulary, options);
    }

    /// <inheritdoc cref="Read"/>
    public static (BpeVocabulary Vocabulary, ClipTokenizerOptions Options) Open(string folder)
    {
        JsonElement config = Json(folder, "tokenizer_config.json");
        JsonElement map = Json(folder, "special_tokens_map.json");
        JsonElement whole = Json(folder, "tokenizer.json");
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
            MaxLength = Find(config, "model_max_length") is { ValueKind: JsonValueKind.Number } length && length.GetDouble() <= LargestLength
                ? length.GetInt32()
                : defaults.MaxLength,
            AddedTokens = Added(config, whole),
        });
    }

    /// <summary>added_tokens of tokenizer.json and added_tokens_decoder of tokenizer_config.json.</summary>
    private static Dictionary<string, int> Added(JsonElement config, JsonElement whole)
    {
        var added = new Dictionary<string, int>(StringComparer.Ordinal);
        if (Find(whole, "added_tokens") is { ValueKind: JsonValueKind.Array } list)
        {
            foreach (JsonElement token in list.EnumerateArray())
            {
                added[token.GetProperty("content").GetString()!] = token.GetProperty("id").GetInt32();
            }
        }

        if (Find(config, "added_tokens_decoder") is { ValueKind: JsonValueKind.Object } decoder)
        {
            foreach (JsonProperty token in decoder.EnumerateObject())
            {
                added[token.Value.GetProperty("content").GetString()!] = int.Parse(token.Name, System.Globalization.CultureInfo.InvariantCulture);
            }
        }

        return added;
    }

    /// <summary>A token stands as a text or as an object with its content.</summary>
    private static string? Content(JsonElement json, string key) => Find(json, key) switch
    {
        { ValueKind: JsonValueKind.String } text => text.GetString(),
        { ValueKind: JsonValueKind.Object } token when token.TryGetProperty("content", out JsonElement content) => content.GetString(),
        _ => null,
    };

    private static JsonElement? Find(JsonElement json, string key) =>
        json.ValueKind == JsonValueKind.Object && json.TryGetProperty(key, out JsonElement value) ? value : null;

    private static JsonElement Json(string folder, string file)
    {
        string path = Path.Combine(folder, file);
        if (!File.Exists(path))
        {
            return default;
        }

        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
        return document.RootElement.Clone();
    }
}
