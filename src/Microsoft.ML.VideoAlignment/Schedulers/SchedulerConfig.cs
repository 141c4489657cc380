using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Microsoft.ML.VideoAlignment.Schedulers;

/// <summary>
/// The keys of a scheduler_config.json. An absent or null key takes the default of the class that asks, an unknown key has no effect (as in diffusers'
/// from_config), and a value outside the supported ones is an error that lists them.
/// </summary>
internal sealed partial class SchedulerConfig
{
    private readonly Dictionary<string, JsonElement> _values;
    private readonly string _owner;

    /// <param name="json">The JSON object.</param>
    /// <param name="owner">The class that reads it, for error messages.</param>
    public SchedulerConfig(JsonElement json, string owner)
    {
        if (json.ValueKind != JsonValueKind.Object)
        {
            throw new InvalidDataException($"{owner}: expected a JSON object as scheduler configuration, got {json.ValueKind}.");
        }

        _owner = owner;
        _values = json.EnumerateObject().Where(property => property.Value.ValueKind != JsonValueKind.Null)
            .GroupBy(property => property.Name, StringComparer.Ordinal)
            .ToDictionary(group => group.Key, group => group.Last().Value, StringComparer.Ordinal);
    }

    /// <summary>Reads a scheduler_config.json.</summary>
    public static JsonElement ReadFile(string path) => Parse(File.ReadAllText(path), path);

    /// <summary>
    /// JSON as Python writes it: infinities stand there without quotes ("lambda_min_clipped": -Infinity), which is no JSON, so they are quoted first.
    /// </summary>
    public static JsonElement Parse(string text, string location)
    {
        string quoted = PythonNumber().Replace(text, match => match.Groups["number"].Success ? $"\"{match.Value}\"" : match.Value);
        try
        {
            using JsonDocument document = JsonDocument.Parse(quoted);
            return document.RootElement.Clone();
        }
        catch (JsonException exception)
        {
            throw new InvalidDataException($"{location} is not a JSON file: {exception.Message}", exception);
        }
    }

    public double Number(string key, double otherwise) => OptionalNumber(key) ?? otherwise;

    public double? OptionalNumber(string key)
    {
        if (!_values.TryGetValue(key, out JsonElement value))
        {
            return null;
        }

        return value.ValueKind switch
        {
            JsonValueKind.Number => value.GetDouble(),
            JsonValueKind.String when value.GetString() is "-Infinity" or "-inf" => double.NegativeInfinity,
            JsonValueKind.String when value.GetString() is "Infinity" or "inf" => double.PositiveInfinity,
            _ => throw Wrong(key, value, "a number"),
        };
    }

    public int Integer(string key, int otherwise)
    {
        double number = Number(key, otherwise);
        return number == Math.Floor(number) && Math.Abs(number) < int.MaxValue ? (int)number : throw Wrong(key, _values[key], "an integer");
    }

    public bool Flag(string key, bool otherwise) =>
        !_values.TryGetValue(key, out JsonElement value) ? otherwise
        : value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean()
        : throw Wrong(key, value, "true or false");

    /// <summary>One of <paramref name="supported"/>, or <paramref name="otherwise"/> where the key is absent.</summary>
    public string Choice(string key, string otherwise, params ReadOnlySpan<string> supported)
    {
        if (!_values.TryGetValue(key, out JsonElement value))
        {
            return otherwise;
        }

        return value.ValueKind == JsonValueKind.String && supported.Contains(value.GetString()!)
            ? value.GetString()!
            : throw Wrong(key, value, $"one of {string.Join(", ", supported.ToArray())}");
    }

    /// <summary>A list of numbers, or null where the key is absent.</summary>
    public double[]? Numbers(string key)
    {
        if (!_values.TryGetValue(key, out JsonElement value))
        {
            return null;
        }

        return value.ValueKind == JsonValueKind.Array ? [.. value.EnumerateArray().Select(item => item.GetDouble())] : throw Wrong(key, value, "a list of numbers");
    }

    /// <summary>Options of the reference that are not built: an error where the file switches one on.</summary>
    public void RequireOff(params ReadOnlySpan<string> keys)
    {
        foreach (string key in keys)
        {
            if (Flag(key, false))
            {
                throw new NotSupportedException($"{_owner}: {key} = true is not supported. Use a file without it, or another sampler.");
            }
        }
    }

    public InvalidDataException Wrong(string key, double value, string expected) =>
        new($"{_owner}: {key} is {value.ToString(CultureInfo.InvariantCulture)}, expected {expected}.");

    private InvalidDataException Wrong(string key, JsonElement value, string expected) => new($"{_owner}: {key} is {value.GetRawText()}, expected {expected}.");

    // Strings are matched first so that a word inside one stays as it is.
    [GeneratedRegex("""
        "(?:[^"\\]|\\.)*"|(?<number>-?\bInfinity\b|\bNaN\b)
        """, RegexOptions.ExplicitCapture | RegexOptions.IgnorePatternWhitespace)]
    private static partial Regex PythonNumber();
}
