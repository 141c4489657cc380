using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Rewards;

/// <summary>The settings of a reward that is made of files alone.</summary>
/// <param name="Precision">How the frozen weights are stored.</param>
internal sealed record WeightSettings(WeightPrecision Precision)
{
    private const string OldArgument = "weights";

    /// <summary>Names a reward that is made of files alone.</summary>
    /// <param name="kind">The reward's kind.</param>
    /// <param name="placement">How the weights are stored.</param>
    /// <param name="files">The files, by role.</param>
    /// <exception cref="NotSupportedException">The weights are stored in a type that no options choose.</exception>
    public static SavedReward Save(string kind, Placement placement, params (string Role, string Path)[] files)
    {
        WeightPrecision precision = WeightPrecisionNames.Find(placement.StoredAs)
            ?? throw new NotSupportedException($"A reward with weights of {placement.StoredAs} cannot be saved.");
        return SavedReward.Create(kind, new WeightSettings(precision), WeightSettingsJson.Default.WeightSettings, files);
    }

    /// <summary>Reads how the weights of a saved reward are stored.</summary>
    /// <param name="saved">The reward.</param>
    /// <returns>A placement on the CPU.</returns>
    /// <exception cref="InvalidDataException">The settings have another form.</exception>
    public static Placement Read(SavedReward saved) => Placement.OnCpu(saved.GetSettings(WeightSettingsJson.Default.WeightSettings).Precision);

    /// <summary>Reads the argument of a file before 0.2, which only weights smaller than float32 have.</summary>
    /// <param name="old">The arguments.</param>
    /// <exception cref="InvalidDataException">The weights are of a type that this version does not know.</exception>
    public static JsonElement? Upgrade(OldRewardArguments old) => JsonSerializer.SerializeToElement(
        new WeightSettings(old.All.ContainsKey(OldArgument) ? old.Precision(OldArgument) : WeightPrecision.Float32), WeightSettingsJson.Default.WeightSettings);
}

[JsonSourceGenerationOptions(Converters = [typeof(WeightPrecisionNames)], RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(WeightSettings))]
internal sealed partial class WeightSettingsJson : JsonSerializerContext;
