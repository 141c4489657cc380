using System.Text.Json;
using System.Text.Json.Serialization;

namespace Microsoft.ML.VideoAlignment.Rewards.VideoMae;

/// <summary>The settings of a saved <see cref="ActionClassificationReward"/>: its options.</summary>
[JsonSourceGenerationOptions(Converters = [typeof(WeightPrecisionNames)], RespectNullableAnnotations = true)]
[JsonSerializable(typeof(ActionClassificationOptions))]
internal sealed partial class ActionClassificationSettings : JsonSerializerContext
{
    /// <summary>What the name of a text of a prompt began with before 0.2.</summary>
    private const string OldPrompt = "prompt:";

    /// <summary>Reads the options of a saved reward.</summary>
    /// <param name="saved">The reward.</param>
    /// <exception cref="InvalidDataException">The options have another form.</exception>
    public static ActionClassificationOptions Read(SavedReward saved)
    {
        ActionClassificationOptions options = saved.GetSettings(Default.ActionClassificationOptions);
        return options.Prompts.Values.Any(label => label is null)
            ? throw new InvalidDataException($"The settings of the saved reward {saved.Kind} have a text of a prompt without a label.")
            : options;
    }

    /// <summary>Reads the arguments of a file before 0.2.</summary>
    /// <param name="old">The arguments.</param>
    /// <exception cref="InvalidDataException">One is missing or has another form.</exception>
    public static JsonElement? Upgrade(OldRewardArguments old) => JsonSerializer.SerializeToElement(
        new ActionClassificationOptions
        {
            Label = old.All.GetValueOrDefault("label"),
            Prompts = old.All.Where(pair => pair.Key.StartsWith(OldPrompt, StringComparison.Ordinal))
                .ToDictionary(pair => pair.Key[OldPrompt.Length..], pair => pair.Value, StringComparer.Ordinal),
            LogProbability = old.Parse<bool>("logProbability"),
            Precision = old.Precision("precision"),
        },
        Default.ActionClassificationOptions);
}
