using System.Text.Json;
using System.Text.Json.Serialization;

namespace Microsoft.ML.VideoAlignment.Algorithms;

/// <summary>How algorithms describe their options in files.</summary>
internal static class AlgorithmJson
{
    /// <summary>Names in camelCase, and infinity by its name.</summary>
    public static JsonSerializerOptions CamelCase { get; } = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };
}
