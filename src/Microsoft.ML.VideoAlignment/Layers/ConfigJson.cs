using System.Text.Json;

namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>Reads a network's config.json: absent or null keys take the reference's default, unknown values are refused by name.</summary>
internal static class ConfigJson
{
    public static long Integer(JsonElement json, string key, long fallback) =>
        Find(json, key) is not { } value ? fallback
        : value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out long number) ? number
        : throw Unexpected(key, "a whole number", value);

    public static double Number(JsonElement json, string key, double fallback) =>
        Find(json, key) is not { } value ? fallback : value.ValueKind == JsonValueKind.Number ? value.GetDouble() : throw Unexpected(key, "a number", value);

    public static bool Flag(JsonElement json, string key, bool fallback) =>
        Find(json, key) is not { } value ? fallback
        : value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean()
        : throw Unexpected(key, "true or false", value);

    public static string Text(JsonElement json, string key, string fallback) =>
        Find(json, key) is not { } value ? fallback : value.ValueKind == JsonValueKind.String ? value.GetString()! : throw Unexpected(key, "text", value);

    public static IReadOnlyList<long> Integers(JsonElement json, string key, params long[] fallback) =>
        Find(json, key) is not { } value ? fallback
        : value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(item => item.ValueKind == JsonValueKind.Number && item.TryGetInt64(out _))
            ? [.. value.EnumerateArray().Select(item => item.GetInt64())]
        : throw Unexpected(key, "a list of whole numbers", value);

    /// <summary>Height and width: [height, width], or one number for both.</summary>
    public static (long Height, long Width) Size(JsonElement json, string key, (long Height, long Width) fallback)
    {
        if (Find(json, key) is not { } value)
        {
            return fallback;
        }

        IReadOnlyList<long> sides = value.ValueKind == JsonValueKind.Array ? Integers(json, key) : [Integer(json, key, 0)];
        return sides.Count is 1 or 2 ? (sides[0], sides[^1]) : throw Unexpected(key, "one number or [height, width]", value);
    }

    public static IReadOnlyList<string> Texts(JsonElement json, string key, params string[] fallback) =>
        Find(json, key) is not { } value ? fallback
        : value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(item => item.ValueKind == JsonValueKind.String)
            ? [.. value.EnumerateArray().Select(item => item.GetString()!)]
        : throw Unexpected(key, "a list of names", value);

    /// <summary>
    /// Throws where <paramref name="key"/> is there, is not null and is not <paramref name="only"/> (JSON text): an option that would make another network.
    /// </summary>
    /// <exception cref="NotSupportedException">The key has another value.</exception>
    public static void RequireOnly(JsonElement json, string key, string only)
    {
        if (Find(json, key) is { } value && value.GetRawText() != only)
        {
            throw new NotSupportedException($"config: {key} = {value.GetRawText()} is not supported; expected {only} or nothing.");
        }
    }

    /// <summary>The value of <paramref name="key"/>, or null when it is absent or null.</summary>
    public static JsonElement? Find(JsonElement json, string key) =>
        json.TryGetProperty(key, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;

    private static InvalidDataException Unexpected(string key, string expected, JsonElement value) =>
        new($"config: {key}: expected {expected}, got {value.GetRawText()}.");
}
