using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Microsoft.ML.VideoAlignment.Files;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>Reads a model's yaml as the JSON that a config.json would hold, so that one reader serves both.</summary>
/// <remarks>Plain scalars are typed as PyYAML's loader does (null, true, 12, 1e-4); those beyond a double's range stay text, and so do quoted ones.</remarks>
internal static partial class YamlFile
{
    /// <summary>A configuration has a few hundred values; a file with more than this is made of aliases to fill memory.</summary>
    private const int MostNodes = 100_000, DeepestNesting = 64;

    private const int LargestFile = 4 << 20;

    /// <summary>Reads the only document of a file.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="WeightFileException">The file is missing, too large, not YAML, or not a map at the top.</exception>
    public static JsonElement Read(string path)
    {
        try
        {
            using var reader = new StringReader(TextFile.Read(path, LargestFile));
            var yaml = new YamlStream();
            yaml.Load(reader);
            if (yaml.Documents is not [{ RootNode: YamlMappingNode root }])
            {
                throw new WeightFileException(path, "is not a configuration: expected one YAML document with a map of keys at the top.");
            }

            int nodes = 0;
            return JsonSerializer.SerializeToElement(Convert(root, depth: 0, ref nodes, path));
        }
        catch (YamlException exception)
        {
            throw new WeightFileException(path, $"is not valid YAML at line {exception.Start.Line}: {exception.Message}", exception);
        }
    }

    private static JsonNode? Convert(YamlNode node, int depth, ref int nodes, string path)
    {
        if (++nodes > MostNodes || depth > DeepestNesting)
        {
            throw new WeightFileException(path, $"holds more than {MostNodes} values, or nests deeper than {DeepestNesting}.");
        }

        switch (node)
        {
            case YamlMappingNode map:
                var members = new JsonObject();
                foreach ((YamlNode key, YamlNode value) in map.Children)
                {
                    string name = (key as YamlScalarNode)?.Value
                        ?? throw new WeightFileException(path, $"has a key that is not text at line {key.Start.Line}.");
                    members[name] = Convert(value, depth + 1, ref nodes, path);
                }

                return members;
            case YamlSequenceNode list:
                var items = new JsonArray();
                foreach (YamlNode item in list.Children)
                {
                    items.Add(Convert(item, depth + 1, ref nodes, path));
                }

                return items;
            default:
                return Scalar((YamlScalarNode)node);
        }
    }

    private static JsonNode? Scalar(YamlScalarNode scalar)
    {
        string text = scalar.Value ?? "";
        if (scalar.Style is not ScalarStyle.Plain)
        {
            return text;
        }

        return text switch
        {
            "" or "~" or "null" or "Null" or "NULL" => null,
            "true" or "True" or "TRUE" or "yes" or "Yes" or "YES" or "on" or "On" or "ON" => true,
            "false" or "False" or "FALSE" or "no" or "No" or "NO" or "off" or "Off" or "OFF" => false,
            _ when WholeNumber().IsMatch(text) && long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long whole) => whole,
            _ when Number().IsMatch(text) && double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number)
                && double.IsFinite(number) => number,
            _ => text,
        };
    }

    [GeneratedRegex(@"\A[+-]?(0|[1-9][0-9]*)\z", RegexOptions.CultureInvariant)]
    private static partial Regex WholeNumber();

    [GeneratedRegex(@"\A[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?\z", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex Number();
}
