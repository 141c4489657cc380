using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Lora;

/// <summary>peft's folder: adapter_config.json and adapter_model.safetensors (or .bin) with base_model.model.MODULE.lora_A.weight (down) and lora_B (up).</summary>
internal static class PeftFolder
{
    public const string Prefix = "base_model.model.";

    private const string ConfigFile = "adapter_config.json";
    private const string WeightsFile = "adapter_model.safetensors";

    private static readonly JsonSerializerOptions s_indented = new() { WriteIndented = true };

    public static LoraWeights Read(string folder)
    {
        JsonObject config = ReadConfig(Path.Combine(folder, ConfigFile));
        var settings = LoraSettings.FromJson(config, folder);
        string weights = Path.Combine(folder, WeightsFile);
        using IWeightSource source = WeightFile.Open(File.Exists(weights) ? weights : Path.Combine(folder, "adapter_model.bin"));
        var origin = new LoraOrigin { Format = LoraFormat.Peft, Prefix = Prefix, Settings = config };
        return LoraKeys.Read(source, Parse, (module, rank, _) => settings.ScaleOf(module, rank), origin);

        static (string, LoraRole)? Parse(string key) =>
            key.StartsWith(Prefix, StringComparison.Ordinal) ? LoraKeys.Suffixed(key[Prefix.Length..], ".lora_A.weight", ".lora_B.weight") : null;
    }

    public static void Write(string folder, LoraWeights weights, IReadOnlyList<string>? targetNames)
    {
        JsonObject config = weights.Origin is { Format: LoraFormat.Peft, Settings: { } settings } ? settings : LoraSettings.Describe(weights, targetNames);
        bool isNew = !Directory.Exists(folder);
        Directory.CreateDirectory(folder);
        try
        {
            // One tells how the other is to be read: an old one beside a new one would be wrong without a word.
            WrittenFile.WriteAll(
            [
                (Path.Combine(folder, WeightsFile), stream => SafetensorsWriter.Write(stream, LoraOutput.Named(weights, Prefix, ".lora_A.weight", ".lora_B.weight"), LoraOutput.TorchMetadata)),
                (Path.Combine(folder, ConfigFile), stream => JsonSerializer.Serialize(stream, config, s_indented)),
            ]);
        }
        catch when (isNew)
        {
            WritableFolder.RemoveEmpty(folder);
            throw;
        }
    }

    private static JsonObject ReadConfig(string path)
    {
        if (!File.Exists(path))
        {
            throw new WeightFileException(path, "there is no such file; a peft adapter is a folder with adapter_config.json and adapter_model.safetensors.");
        }

        try
        {
            return JsonNode.Parse(File.ReadAllText(path)) as JsonObject ?? throw new WeightFileException(path, "is no JSON object.");
        }
        catch (JsonException exception)
        {
            throw new WeightFileException(path, $"is no JSON: {exception.Message}", exception);
        }
    }
}
