using System.Globalization;
using System.Text.Json;
using Microsoft.ML.VideoAlignment.Files;

namespace Microsoft.ML.VideoAlignment.Schedulers;

/// <summary>
/// The keys of a scheduler_config.json. An absent or null key takes the default of the class that asks, an unknown key has no effect (as in diffusers'
/// from_config), and an unsupported value is an error that lists the supported ones.
/// </summary>
internal sealed class SchedulerConfig
{
    /// <summary>The longest training schedule that is accepted; published ones have 1000 timesteps.</summary>
    public const int MaxTrainTimesteps = 1_000_000;

    private readonly Dictionary<string, JsonElement> _values;
    private readonly string _owner;

    /// <summary>Collects the keys of a configuration.</summary>
    /// <param name="json">The JSON object.</param>
    /// <param name="owner">The class that reads it, for error messages.</param>
    /// <exception cref="InvalidDataException">The JSON is not an object.</exception>
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
    /// <param name="path">The file.</param>
    /// <exception cref="WeightFileException">The file is missing or not JSON.</exception>
    public static JsonElement ReadFile(string path) => JsonFile.Read(path);

    /// <summary>Reads a finite number.</summary>
    /// <param name="key">The key.</param>
    /// <param name="otherwise">The value of an absent key.</param>
    /// <exception cref="InvalidDataException">The value is not a finite number.</exception>
    public double GetNumber(string key, double otherwise) => GetOptionalNumber(key) ?? otherwise;

    /// <summary>Reads a finite number above 0.</summary>
    /// <param name="key">The key.</param>
    /// <param name="otherwise">The value of an absent key.</param>
    /// <exception cref="InvalidDataException">The value is not a finite number above 0.</exception>
    public double GetPositive(string key, double otherwise) => GetOptionalPositive(key) ?? otherwise;

    /// <summary>Reads a finite number above 0.</summary>
    /// <param name="key">The key.</param>
    /// <returns>The number; null where the key is absent.</returns>
    /// <exception cref="InvalidDataException">The value is not a finite number above 0.</exception>
    public double? GetOptionalPositive(string key) => GetOptionalNumber(key) is not { } number
        ? null
        : number > 0 ? number : throw InvalidValue(key, _values[key], "a number above 0");

    /// <summary>Reads a number or an infinity (Python writes infinities as strings).</summary>
    /// <param name="key">The key.</param>
    /// <param name="otherwise">The value of an absent key.</param>
    /// <exception cref="InvalidDataException">The value is neither.</exception>
    public double GetNumberOrInfinity(string key, double otherwise) => !_values.TryGetValue(key, out JsonElement value) ? otherwise
        : value.ValueKind == JsonValueKind.String && value.GetString() is "-Infinity" or "-inf" ? double.NegativeInfinity
        : value.ValueKind == JsonValueKind.String && value.GetString() is "Infinity" or "inf" ? double.PositiveInfinity
        : GetNumber(key, otherwise);

    /// <summary>Reads sigma_min and sigma_max, each above 0 and the first below the second.</summary>
    /// <returns>The numbers; null where the key is absent.</returns>
    /// <exception cref="InvalidDataException">The values are not in these ranges.</exception>
    public (double? Min, double? Max) GetSigmaRange()
    {
        (double? min, double? max) = (GetOptionalPositive("sigma_min"), GetOptionalPositive("sigma_max"));
        return min < max || min is null || max is null
            ? (min, max)
            : throw InvalidValue("sigma_min", min.Value, $"a number below sigma_max, {max.Value.ToString(CultureInfo.InvariantCulture)}");
    }

    /// <summary>Reads a whole number.</summary>
    /// <param name="key">The key.</param>
    /// <param name="otherwise">The value of an absent key.</param>
    /// <param name="minimum">The least value.</param>
    /// <param name="maximum">The greatest value.</param>
    /// <exception cref="InvalidDataException">The value is not a whole number in this range.</exception>
    public int GetInteger(string key, int otherwise, int minimum, int maximum)
    {
        double number = GetNumber(key, otherwise);
        return number == Math.Floor(number) && number >= minimum && number <= maximum
            ? (int)number
            : throw InvalidValue(key, _values[key], $"a whole number from {minimum} to {maximum}");
    }

    public bool GetFlag(string key, bool otherwise) =>
        !_values.TryGetValue(key, out JsonElement value) ? otherwise
        : value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean()
        : throw InvalidValue(key, value, "true or false");

    /// <summary>Reads one of several words.</summary>
    /// <param name="key">The key.</param>
    /// <param name="otherwise">The value of an absent key.</param>
    /// <param name="supported">The accepted values.</param>
    /// <exception cref="InvalidDataException">The value is not one of them.</exception>
    public string GetChoice(string key, string otherwise, params ReadOnlySpan<string> supported)
    {
        if (!_values.TryGetValue(key, out JsonElement value))
        {
            return otherwise;
        }

        return value.ValueKind == JsonValueKind.String && supported.Contains(value.GetString()!)
            ? value.GetString()!
            : throw InvalidValue(key, value, $"one of {string.Join(", ", supported.ToArray())}");
    }

    /// <summary>Reads a list of finite numbers.</summary>
    /// <param name="key">The key.</param>
    /// <returns>The numbers; null where the key is absent.</returns>
    /// <exception cref="InvalidDataException">The value is not such a list.</exception>
    public double[]? GetNumbers(string key) => !_values.TryGetValue(key, out JsonElement value) ? null
        : value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(item => Finite(item) is not null)
            ? [.. value.EnumerateArray().Select(item => Finite(item)!.Value)]
        : throw InvalidValue(key, value, "a list of numbers");

    /// <summary>Refuses options of the reference that are not implemented, where the file switches one on.</summary>
    /// <param name="keys">Keys of the options.</param>
    /// <exception cref="NotSupportedException">One of them is true.</exception>
    public void RequireOff(params ReadOnlySpan<string> keys)
    {
        foreach (string key in keys)
        {
            if (GetFlag(key, false))
            {
                throw new NotSupportedException($"{_owner}: {key} = true is not supported. Use a file without it, or another sampler.");
            }
        }
    }

    /// <summary>Refuses a file in which an option is off that is always on here.</summary>
    /// <param name="key">Key of the option.</param>
    /// <param name="otherwise">The value of an absent key.</param>
    /// <exception cref="NotSupportedException">It is false.</exception>
    public void RequireOn(string key, bool otherwise)
    {
        if (!GetFlag(key, otherwise))
        {
            string absent = _values.ContainsKey(key) ? "" : " (absent)";
            throw new NotSupportedException($"{_owner}: {key} = false{absent} is not supported. Use a file in which it is true, or another sampler.");
        }
    }

    /// <summary>Refuses options of the reference that are not implemented, where the file has one.</summary>
    /// <param name="keys">Keys of the options.</param>
    /// <exception cref="NotSupportedException">One of them is there and not null.</exception>
    public void RequireAbsent(params ReadOnlySpan<string> keys)
    {
        foreach (string key in keys)
        {
            if (_values.ContainsKey(key))
            {
                throw new NotSupportedException($"{_owner}: {key} is not supported. Use a file without it, or another sampler.");
            }
        }
    }

    /// <summary>Checks that a key has the only word that the class works with.</summary>
    /// <param name="key">The key.</param>
    /// <param name="expected">The word.</param>
    /// <param name="otherwise">The value of an absent key.</param>
    /// <exception cref="InvalidDataException">The value is another one.</exception>
    public void Require(string key, string expected, string otherwise)
    {
        if (GetChoice(key, otherwise, expected) != expected)
        {
            throw new InvalidDataException($"{_owner}: {key} is absent, which means {otherwise}, expected {expected}.");
        }
    }

    /// <summary>Whether the file was written by a class; true where it does not say.</summary>
    /// <param name="className">The class.</param>
    public bool IsOfClass(string className) =>
        !_values.TryGetValue("_class_name", out JsonElement value) || (value.ValueKind == JsonValueKind.String && value.GetString() == className);

    public InvalidDataException InvalidValue(string key, double value, string expected) =>
        new($"{_owner}: {key} is {value.ToString(CultureInfo.InvariantCulture)}, expected {expected}.");

    private double? GetOptionalNumber(string key) =>
        !_values.TryGetValue(key, out JsonElement value) ? null : Finite(value) ?? throw InvalidValue(key, value, "a number");

    private static double? Finite(JsonElement value) =>
        value.ValueKind == JsonValueKind.Number && value.GetDouble() is var number && double.IsFinite(number) ? number : null;

    private InvalidDataException InvalidValue(string key, JsonElement value, string expected)
    {
        string text = value.GetRawText();
        return new($"{_owner}: {key} is {(text.Length <= 80 ? text : text[..80] + "...")}, expected {expected}.");
    }
}
