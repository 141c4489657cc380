using System.Globalization;
using System.Text.Json;
using Microsoft.ML.VideoAlignment.Files;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>
/// The added tokens of a tokenizer folder, of whatever age: added_tokens.json (token to id), added_tokens of tokenizer.json, and added_tokens_decoder of
/// tokenizer_config.json (id to token). What a later one says replaces what an earlier one says of the same token.
/// </summary>
internal static class AddedTokenFiles
{
    /// <summary>Reads what there is.</summary>
    /// <param name="added">added_tokens.json; undefined: there is none. So for the others.</param>
    /// <param name="whole">tokenizer.json.</param>
    /// <param name="config">tokenizer_config.json.</param>
    /// <param name="folder">The folder, for messages.</param>
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

            // What marks the text's structure is not to be met by a text's own letters in another case.
            tokens[content.GetString()!] = new AddedToken(content.GetString()!, id)
            {
                Normalized = Flag(entry, "normalized", !Flag(entry, "special", false)),
                LeftStrip = Flag(entry, "lstrip", false),
                RightStrip = Flag(entry, "rstrip", false),
                SingleWord = Flag(entry, "single_word", false),
            };
        }
    }

    /// <summary>A JSON file of the folder; undefined where there is none.</summary>
    public static JsonElement Json(string folder, string file)
    {
        string path = Path.Combine(folder, file);
        return File.Exists(path) ? JsonFile.ReadObject(path) : default;
    }

    /// <summary>A value of an object; null where it is not there.</summary>
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
            + "Remove the entry, or take the file from the model's publisher again.");
}
