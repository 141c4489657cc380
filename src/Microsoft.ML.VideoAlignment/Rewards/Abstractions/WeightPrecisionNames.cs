using System.Text.Json;
using System.Text.Json.Serialization;

namespace Microsoft.ML.VideoAlignment.Rewards;

/// <summary>Names of <see cref="WeightPrecision"/> in saved files: those of today, and those of versions before 0.2.</summary>
internal sealed class WeightPrecisionNames : JsonConverter<WeightPrecision>
{
    /// <summary>Finds a precision.</summary>
    /// <param name="name">Its name in a file.</param>
    /// <returns>The precision; null: the name is none.</returns>
    public static WeightPrecision? Find(string? name) => name switch
    {
        "Full" => WeightPrecision.Float32,
        "BrainHalf" => WeightPrecision.BFloat16,
        "Half" => WeightPrecision.Float16,
        "EightBit" => WeightPrecision.Int8,
        _ => Enum.GetValues<WeightPrecision>().Select(value => (WeightPrecision?)value).FirstOrDefault(value => value.ToString() == name),
    };

    public override WeightPrecision Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        (reader.TokenType == JsonTokenType.String ? Find(reader.GetString()) : null)
            ?? throw new JsonException($"Expected one of {string.Join(", ", Enum.GetNames<WeightPrecision>())}.");

    public override void Write(Utf8JsonWriter writer, WeightPrecision value, JsonSerializerOptions options) => writer.WriteStringValue(value.ToString());
}
