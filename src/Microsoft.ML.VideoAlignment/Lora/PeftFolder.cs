using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.VideoAlignment.Files;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Lora;

/// <summary>
/// Reads and writes peft's folder: adapter_config.json and adapter_model.safetensors (or .bin) with base_model.model.MODULE.lora_A.weight (down) and lora_B
/// (up).
/// </summary>
internal static class PeftFolder
{
    private const string ConfigFile = "adapter_config.json";
    private const string WeightsFile = "adapter_model.safetensors";

    private static readonly JsonSerializerOptions s_indented = new() { WriteIndented = true };

    /// <summary>Reads an adapter and its configuration.</summary>
    /// <param name="network">The network that the adapter is read for.</param>
    /// <param name="place">Where the files lie.</param>
    /// <returns>The weights, which the caller disposes.</returns>
    /// <exception cref="WeightFileException">A file is missing or damaged, or the configuration is not of plain LoRA.</exception>
    public static LoraWeights Read(nn.Module network, LoraLocation place)
    {
        if (place.Config is not { } configPath)
        {
            throw new WeightFileException(
                Path.Combine(Path.GetDirectoryName(Path.GetFullPath(place.Weights))!, ConfigFile),
                $"there is no such file; a peft adapter is a folder with {ConfigFile} and {WeightsFile}.");
        }

        JsonObject config = JsonFile.ToNode(JsonFile.ReadObject(configPath));
        var settings = LoraSettings.FromJson(config, configPath);
        using IWeightSource source = LoraSource.Open(place.Weights);
        string prefix = LoraPrefix.Find(source.Entries.Keys, network);
        var origin = new LoraOrigin { Format = LoraFormat.Peft, Prefix = prefix, Settings = config };
        return LoraReader.Read(
            source, key => key.StartsWith(prefix, StringComparison.Ordinal) ? LoraKey.Parse(key[prefix.Length..]) : null,
            (module, rank, _) => settings.GetScale(module, rank), origin);
    }

    public static void Write(string folder, LoraWeights weights, IReadOnlyList<string>? targetNames)
    {
        using DisposeScope scope = NewDisposeScope();
        bool again = LoraOutput.HasOriginalNames(weights, LoraFormat.Peft);
        JsonObject config = again && weights.Origin.Settings is { } settings ? settings : LoraSettings.Describe(weights, targetNames);
        Dictionary<string, Tensor> tensors = again
            ? LoraOutput.RestoreNames(weights)
            : LoraOutput.NameFactors(weights, LoraPrefix.Peft, ".lora_A.weight", ".lora_B.weight");
        if (File.Exists(folder))
        {
            throw new IOException(
                $"'{folder}' cannot be written: it is a file, and a peft adapter is a folder with {ConfigFile} and {WeightsFile}. "
                + "Name a folder, be it new or existing.");
        }

        bool isNew = !Directory.Exists(folder);
        Directory.CreateDirectory(folder);
        try
        {
            // The configuration says how to read the weights: an old one beside a new one would be wrong without any error.
            AtomicFile.WriteAll(
            [
                (Path.Combine(folder, WeightsFile), stream => SafetensorsWriter.Write(stream, tensors, LoraOutput.TorchMetadata)),
                (Path.Combine(folder, ConfigFile), stream => JsonSerializer.Serialize(stream, config, s_indented)),
            ]);
        }
        catch when (isNew)
        {
            WritableFolder.RemoveEmpty(folder);
            throw;
        }
    }
}
