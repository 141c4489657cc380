using System.Globalization;
using System.Text.Json;

namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>Reads a network's config.json: absent or null keys take the reference's default, unknown values are refused by name.</summary>
internal static class ConfigJson
{
    /// <summary>The largest size, width or count that is read; published configurations end at 262,144 words.</summary>
    public const long MaxSize = 1 << 24;

    /// <summary>The most layers, blocks or levels that a network is built of.</summary>
    public const long MaxLayers = 1000;

    private const int MaxLevels = 16;

    /// <summary>Reads a whole number within bounds.</summary>
    /// <param name="json">The configuration, or a part of it.</param>
    /// <param name="key">Its key.</param>
    /// <param name="fallback">The value where the key is absent or null.</param>
    /// <param name="minimum">Least.</param>
    /// <param name="maximum">Most.</param>
    /// <exception cref="InvalidDataException">The value is another.</exception>
    public static long Integer(JsonElement json, string key, long fallback, long minimum = 1, long maximum = MaxSize) =>
        Find(json, key) is not { } value ? fallback
        : Whole(value, minimum, maximum) ?? throw Unexpected(key, $"a whole number from {minimum} to {maximum}", value);

    /// <summary>Reads a finite number above 0.</summary>
    /// <param name="json">The configuration, or a part of it.</param>
    /// <param name="key">Its key.</param>
    /// <param name="fallback">The value where the key is absent or null.</param>
    /// <param name="maximum">Most.</param>
    /// <exception cref="InvalidDataException">The value is another.</exception>
    public static double Number(JsonElement json, string key, double fallback, double maximum = 1e6) =>
        Find(json, key) is not { } value ? fallback
        : value.ValueKind == JsonValueKind.Number && value.GetDouble() is var number && number > 0 && number <= maximum && double.IsFinite(number) ? number
        : throw Unexpected(key, string.Create(CultureInfo.InvariantCulture, $"a number above 0 and up to {maximum:R}"), value);

    public static bool Flag(JsonElement json, string key, bool fallback) =>
        Find(json, key) is not { } value ? fallback
        : value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean()
        : throw Unexpected(key, "true or false", value);

    /// <summary>Reads a list of true and false.</summary>
    /// <param name="json">The configuration, or a part of it.</param>
    /// <param name="key">Its key.</param>
    /// <param name="fallback">The values where the key is absent or null.</param>
    /// <exception cref="InvalidDataException">The value is not such a list.</exception>
    public static IReadOnlyList<bool> Flags(JsonElement json, string key, IReadOnlyList<bool> fallback) =>
        Find(json, key) is not { } value ? fallback
        : value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(item => item.ValueKind is JsonValueKind.True or JsonValueKind.False)
            ? [.. value.EnumerateArray().Select(item => item.GetBoolean())]
        : throw Unexpected(key, "a list of true and false", value);

    /// <summary>Reads finite numbers, one for each channel.</summary>
    /// <param name="json">The configuration, or a part of it.</param>
    /// <param name="key">Its key.</param>
    /// <param name="fallback">The values where the key is absent or null.</param>
    /// <exception cref="InvalidDataException">The value is not such a list.</exception>
    public static IReadOnlyList<double> Numbers(JsonElement json, string key, IReadOnlyList<double> fallback) =>
        Find(json, key) is not { } value ? fallback
        : value.ValueKind == JsonValueKind.Array
            && value.EnumerateArray().All(item => item.ValueKind == JsonValueKind.Number && double.IsFinite(item.GetDouble()))
            ? [.. value.EnumerateArray().Select(item => item.GetDouble())]
        : throw Unexpected(key, "a list of finite numbers", value);

    public static string Text(JsonElement json, string key, string fallback) =>
        Find(json, key) is not { } value ? fallback : value.ValueKind == JsonValueKind.String ? value.GetString()! : throw Unexpected(key, "text", value);

    /// <summary>Reads whole numbers of at least 1, one for each level of a network.</summary>
    /// <param name="json">The configuration, or a part of it.</param>
    /// <param name="key">Its key.</param>
    /// <param name="fallback">The value where the key is absent or null.</param>
    public static IReadOnlyList<long> Integers(JsonElement json, string key, params long[] fallback) => Integers(json, key, minimum: 1, fallback);

    /// <summary>Reads whole numbers within bounds, one for each level of a network.</summary>
    /// <param name="json">The configuration, or a part of it.</param>
    /// <param name="key">Its key.</param>
    /// <param name="minimum">Least.</param>
    /// <param name="fallback">The value where the key is absent or null.</param>
    /// <exception cref="InvalidDataException">The value is not such a list.</exception>
    public static IReadOnlyList<long> Integers(JsonElement json, string key, int minimum, IReadOnlyList<long> fallback) =>
        Find(json, key) is not { } value ? fallback
        : value.ValueKind == JsonValueKind.Array && value.GetArrayLength() <= MaxLevels
            && value.EnumerateArray().All(item => Whole(item, minimum, MaxSize) is not null)
            ? [.. value.EnumerateArray().Select(item => item.GetInt64())]
        : throw Unexpected(key, $"a list of at most {MaxLevels} whole numbers from {minimum} to {MaxSize}", value);

    /// <summary>Reads height and width: [height, width], or one number for both.</summary>
    /// <param name="json">The configuration, or a part of it.</param>
    /// <param name="key">Its key.</param>
    /// <param name="fallback">The value where the key is absent or null.</param>
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

    /// <summary>Refuses an option that would make another network.</summary>
    /// <param name="json">The configuration, or a part of it.</param>
    /// <param name="key">Its key.</param>
    /// <param name="only">The one value that is supported, as JSON text; absent or null is accepted too.</param>
    /// <exception cref="NotSupportedException">The key has another value.</exception>
    public static void RequireOnly(JsonElement json, string key, string only)
    {
        if (Find(json, key) is { } value && value.GetRawText() != only)
        {
            throw new NotSupportedException($"config: {key} = {value.GetRawText()} is not supported; expected {only} or nothing.");
        }
    }

    /// <summary>Finds a value; null where it is absent or null.</summary>
    /// <param name="json">The configuration, or a part of it.</param>
    /// <param name="key">Its key.</param>
    /// <exception cref="InvalidDataException">The configuration is not a JSON object.</exception>
    public static JsonElement? Find(JsonElement json, string key) =>
        json.ValueKind != JsonValueKind.Object ? throw new InvalidDataException($"config: expected an object with {key}, got {Short(json)}.")
        : json.TryGetProperty(key, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;

    private static long? Whole(JsonElement value, long minimum, long maximum) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out long number) && number >= minimum && number <= maximum ? number : null;

    private static InvalidDataException Unexpected(string key, string expected, JsonElement value) =>
        new($"config: {key}: expected {expected}, got {Short(value)}.");

    private static string Short(JsonElement value)
    {
        string text = value.GetRawText();
        return text.Length <= 80 ? text : text[..80] + "...";
    }
}
