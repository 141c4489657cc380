using System.Globalization;
using System.Text.Json;
using Microsoft.ML.VideoAlignment.Files;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>Reads the added tokens of a tokenizer folder of any age. A later file overrides an earlier one for the same token.</summary>
/// <remarks>
/// In order: added_tokens.json (token to id), added_tokens of tokenizer.json, and added_tokens_decoder of tokenizer_config.json (id to token).
/// </remarks>
internal static class AddedTokenFiles
{
    /// <summary>Reads the tokens of all files that exist.</summary>
    /// <param name="added">added_tokens.json; undefined where there is none, as for the others.</param>
    /// <param name="whole">tokenizer.json.</param>
    /// <param name="config">tokenizer_config.json.</param>
    /// <param name="folder">The folder, for errors.</param>
    /// <exception cref="InvalidDataException">An entry is not a token with an id.</exception>
    public static IReadOnlyList<AddedToken> Read(JsonElement added, JsonElement whole, JsonElement config, string folder)
    {
        var tokens = new Dictionary<string, AddedToken>(StringComparer.Ordinal);
        if (added.ValueKind == JsonValueKind.Object)
        {
            foreach (JsonProperty entry in added.EnumerateObject())
            {
                tokens[entry.Name] = new AddedToken(entry.Name, entry.Value.ValueKind == JsonValueKind.Number && entry.Value.TryGetInt32(out int id) && id >= 0
                    ? id
                    : throw Unexpected(folder, "added_tokens.json", $"{entry.Name}: {entry.Value.GetRawText()}"));
            }
        }

        if (Find(whole, "added_tokens") is { ValueKind: JsonValueKind.Array } list)
        {
            foreach (JsonElement entry in list.EnumerateArray())
            {
                Add(entry, Find(entry, "id") is { ValueKind: JsonValueKind.Number } id ? id.GetRawText() : "", "tokenizer.json");
            }
        }

        if (Find(config, "added_tokens_decoder") is { ValueKind: JsonValueKind.Object } decoder)
        {
            foreach (JsonProperty entry in decoder.EnumerateObject())
            {
                Add(entry.Value, entry.Name, "tokenizer_config.json");
            }
        }

        return [.. tokens.Values];

        void Add(JsonElement entry, string number, string file)
        {
            if (Find(entry, "content") is not { ValueKind: JsonValueKind.String } content
                || !int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out int id))
            {
                throw Unexpected(folder, file, entry.GetRawText());
            }

            // A text's own letters in another case must not match the marks of its structure.
            tokens[content.GetString()!] = new AddedToken(content.GetString()!, id)
            {
                Normalized = Flag(entry, "normalized", !Flag(entry, "special", false)),
                LeftStrip = Flag(entry, "lstrip", false),
                RightStrip = Flag(entry, "rstrip", false),
                SingleWord = Flag(entry, "single_word", false),
            };
        }
    }

    /// <summary>Reads a JSON file of the folder; undefined where there is none.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="file">The name of the file.</param>
    public static JsonElement ReadJson(string folder, string file)
    {
        string path = Path.Combine(folder, file);
        return File.Exists(path) ? JsonFile.ReadObject(path) : default;
    }

    /// <summary>Returns a value of an object; null where it is absent.</summary>
    /// <param name="json">The value to look in, of any kind.</param>
    /// <param name="key">The name of the value.</param>
    public static JsonElement? Find(JsonElement json, string key) =>
        json.ValueKind == JsonValueKind.Object && json.TryGetProperty(key, out JsonElement value) ? value : null;

    private static bool Flag(JsonElement entry, string key, bool absent) => Find(entry, key) switch
    {
        { ValueKind: JsonValueKind.True } => true,
        { ValueKind: JsonValueKind.False } => false,
        _ => absent,
    };

    private static InvalidDataException Unexpected(string folder, string file, string got) =>
        new($"{Path.Combine(folder, file)}: expected an added token with a text and an id from 0, got {(got.Length > 120 ? got[..120] : got)}. "
            + "Remove the entry, or get the file from the model's publisher again.");
}
