using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Microsoft.ML.VideoAlignment.Files;

/// <summary>JSON as other programs write it, with a byte order mark and with Python's unquoted NaN and infinities. Every error names the file.</summary>
/// <remarks>NaN and infinities are read as the strings "NaN", "Infinity" and "-Infinity".</remarks>
internal static partial class JsonFile
{
    /// <summary>Reads a file of any JSON value.</summary>
    /// <param name="path">The file.</param>
    /// <param name="maxBytes">The largest size in bytes that is read.</param>
    /// <exception cref="WeightFileException">The file is missing, too large, or not JSON.</exception>
    public static JsonElement Read(string path, int maxBytes = TextFile.MaxBytes) => Parse(TextFile.Read(path, maxBytes), path);

    /// <summary>Reads a file whose value is an object.</summary>
    /// <inheritdoc cref="Read"/>
    public static JsonElement ReadObject(string path, int maxBytes = TextFile.MaxBytes) => RequireObject(Read(path, maxBytes), path);

    /// <summary>Parses a text.</summary>
    /// <param name="text">The JSON.</param>
    /// <param name="location">The file that the text is from, for errors.</param>
    /// <exception cref="WeightFileException">The text is not JSON.</exception>
    public static JsonElement Parse(string text, string location)
    {
        try
        {
            return ParseStrictly(text);
        }
        catch (JsonException) when (text.Contains("NaN", StringComparison.Ordinal) || text.Contains("Infinity", StringComparison.Ordinal))
        {
            return ParseQuoted(text, location);
        }
        catch (JsonException exception)
        {
            throw NotJson(text, location, exception);
        }
    }

    /// <summary>Returns the value itself, which must be an object.</summary>
    /// <param name="json">The value.</param>
    /// <param name="location">The file that the value is from, for errors.</param>
    /// <exception cref="WeightFileException">The value is of another kind.</exception>
    public static JsonElement RequireObject(JsonElement json, string location) => json.ValueKind == JsonValueKind.Object
        ? json
        : throw new WeightFileException(location, $"is not a JSON object: it holds a value of the kind {json.ValueKind}.");

    /// <summary>Copies an object into one that can be changed; among members of the same name the last counts, as in Python.</summary>
    /// <param name="json">An object.</param>
    public static JsonObject ToNode(JsonElement json)
    {
        var node = new JsonObject();
        foreach (JsonProperty property in json.EnumerateObject())
        {
            node[property.Name] = Copy(property.Value);
        }

        return node;
    }

    private static JsonNode? Copy(JsonElement json) => json.ValueKind switch
    {
        JsonValueKind.Object => ToNode(json),
        JsonValueKind.Array => new JsonArray([.. json.EnumerateArray().Select(Copy)]),
        _ => JsonValue.Create(json),
    };

    private static JsonElement ParseQuoted(string text, string location)
    {
        try
        {
            return ParseStrictly(PythonNumber().Replace(text, match => match.Groups["number"].Success ? $"\"{match.Value}\"" : match.Value));
        }
        catch (JsonException exception)
        {
            throw NotJson(text, location, exception);
        }
    }

    /// <summary>
    /// Parses a text and reads every name and string in it, so that half of a surrogate pair, which no string can hold, is found here and not at its first use.
    /// </summary>
    /// <param name="text">The JSON.</param>
    /// <param name="options">How to read it.</param>
    /// <exception cref="JsonException">The text is not JSON, or holds such a string.</exception>
    public static JsonElement ParseStrictly(string text, JsonDocumentOptions options = default)
    {
        using JsonDocument document = JsonDocument.Parse(text, options);
        try
        {
            ReadTexts(document.RootElement);
        }
        catch (InvalidOperationException exception)
        {
            throw new JsonException($"it holds an invalid string: {exception.Message}", exception);
        }

        return document.RootElement.Clone();
    }

    private static void ReadTexts(JsonElement value)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                foreach (JsonProperty property in value.EnumerateObject())
                {
                    _ = property.Name;
                    ReadTexts(property.Value);
                }

                break;
            case JsonValueKind.Array:
                foreach (JsonElement item in value.EnumerateArray())
                {
                    ReadTexts(item);
                }

                break;
            case JsonValueKind.String:
                _ = value.GetString();
                break;
        }
    }

    private static WeightFileException NotJson(string text, string location, JsonException exception)
    {
        string head = text.Length <= FileSignatures.HeadBytes ? text : text[..FileSignatures.HeadBytes];
        string? described = head.TrimStart().StartsWith('{') ? null : FileSignatures.Describe(System.Text.Encoding.UTF8.GetBytes(head));
        return new WeightFileException(location, $"is not valid JSON: {described ?? exception.Message.TrimEnd('.')}.", exception);
    }

    // Strings are matched first so that a word inside one stays as it is.
    [GeneratedRegex("""
        "(?:[^"\\]|\\.)*"|(?<number>-?\bInfinity\b|\bNaN\b)
        """, RegexOptions.ExplicitCapture | RegexOptions.IgnorePatternWhitespace)]
    private static partial Regex PythonNumber();
}
