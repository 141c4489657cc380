using System.Text.Json;
using Microsoft.ML.VideoAlignment.Layers;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>
/// Selects one tower's keys in a config.json, which describes that tower at its top level, or both towers in halves (text_config, vision_config).
/// </summary>
/// <remarks>Files of 2022 repeat a half as text_config_dict or vision_config_dict, whose values override those of the half, as in the reference.</remarks>
internal static class ClipHalf
{
    public static JsonElement Select(JsonElement json, string half)
    {
        if (!IsWhole(json))
        {
            return json;
        }

        var keys = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
        foreach (JsonElement place in Places(json, half, $"{half}_dict"))
        {
            foreach (JsonProperty property in place.EnumerateObject())
            {
                keys[property.Name] = property.Value;
            }
        }

        // The halves repeat the width, but the top level decides, by its default too.
        keys.Remove("projection_dim");
        if (json.TryGetProperty("projection_dim", out JsonElement width))
        {
            keys["projection_dim"] = width;
        }

        return JsonSerializer.SerializeToElement(keys);
    }

    public static bool IsWhole(JsonElement json) => json.TryGetProperty("text_config", out _) || json.TryGetProperty("vision_config", out _);

    private static IEnumerable<JsonElement> Places(JsonElement json, params string[] names) =>
        names.Select(name => ConfigJson.Find(json, name)).OfType<JsonElement>().Select(place => place.ValueKind == JsonValueKind.Object
            ? place
            : throw new InvalidDataException($"config: {names[0]}: expected an object, got a value of the kind {place.ValueKind}."));
}
