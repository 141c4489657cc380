using System.Text.Json;
using System.Text.Json.Serialization;

namespace Microsoft.ML.VideoAlignment.Rewards.Yolos;

/// <summary>What a saved <see cref="ObjectRemovalReward"/> is made with, besides its detector.</summary>
/// <param name="Label">What is to vanish.</param>
/// <param name="Options">How it is looked for.</param>
internal sealed record ObjectRemovalSettings(string Label, ObjectRemovalOptions Options)
{
    /// <summary>Reads the arguments of a file before 0.2.</summary>
    /// <param name="old">The arguments.</param>
    /// <exception cref="InvalidDataException">One is missing or has another form.</exception>
    public static JsonElement? Upgrade(OldRewardArguments old)
    {
        var options = new ObjectRemovalOptions
        {
            Threshold = Finite(old.Parse<double>("threshold")),
            Height = old.Parse<int>("height"),
            Precision = old.Precision("precision"),
        };
        var settings = new ObjectRemovalSettings(old.Text("label"), options);
        return JsonSerializer.SerializeToElement(settings, ObjectRemovalSettingsJson.Default.ObjectRemovalSettings);
    }

    // JSON has no names for these, and as a threshold they are refused anyway.
    private static double Finite(double threshold) => double.IsFinite(threshold) ? threshold
        : throw new InvalidDataException($"The model's reward has the threshold {threshold}; expected a probability below 1.");
}

[JsonSourceGenerationOptions(Converters = [typeof(WeightPrecisionNames)], RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(ObjectRemovalSettings))]
internal sealed partial class ObjectRemovalSettingsJson : JsonSerializerContext;
