using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Microsoft.ML.VideoAlignment.Files;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Lora;

/// <summary>
/// Reads and writes diffusers' pytorch_lora_weights in its three generations of keys. The scale is 1 (alpha = rank) unless the safetensors header has
/// lora_adapter_metadata, a JSON text of peft's settings with the network's prefix ("unet.lora_alpha"), or a key MODULE.alpha.
/// </summary>
internal static partial class DiffusersLora
{
    private const string MetadataKey = "lora_adapter_metadata";

    public static LoraWeights Read(string path)
    {
        using IWeightSource source = LoraFile.OpenTensors(path);
        return Read(source);
    }

    /// <summary>Reads an adapter from an open file.</summary>
    /// <param name="source">The tensors of the file; stays open.</param>
    /// <returns>The weights, which the caller disposes.</returns>
    /// <exception cref="WeightFileException">The file is damaged or not plain LoRA.</exception>
    public static LoraWeights Read(IWeightSource source)
    {
        IReadOnlyDictionary<string, string> metadata = (source as SafetensorsFile)?.Metadata ?? new Dictionary<string, string>(StringComparer.Ordinal);
        string prefix = LoraPrefix.Find(source.Entries.Keys);
        JsonObject? settings = metadata.TryGetValue(MetadataKey, out string? json)
            ? SettingsUnder(prefix.Length > 0 ? prefix : LoraPrefix.UNet, json, source.Location)
            : null;
        LoraSettings? scales = settings is null ? null : LoraSettings.FromJson(settings, source.Location);
        var origin = new LoraOrigin { Format = LoraFormat.Diffusers, Prefix = prefix, Settings = settings, Metadata = metadata };
        return LoraKeys.Read(
            source, key => key.StartsWith(prefix, StringComparison.Ordinal) ? LoraKey.Parse(key[prefix.Length..]) : null,
            (module, rank, alpha) => alpha / rank ?? scales?.ScaleOf(module, rank) ?? 1, origin);
    }

    /// <summary>Whether a format is one of diffusers' generations of keys.</summary>
    /// <param name="format">Any format.</param>
    public static bool IsGeneration(LoraFormat format) => format is LoraFormat.Diffusers or LoraFormat.DiffusersDown or LoraFormat.DiffusersProcessor;

    /// <summary>Writes the generation of keys that was read; adapters from elsewhere get lora_A and lora_B.</summary>
    /// <param name="stream">Receives the safetensors file; stays open.</param>
    /// <param name="weights">The adapter to write.</param>
    /// <param name="format">One of diffusers' generations.</param>
    /// <param name="targetNames">peft's target_modules for the metadata; null: a pattern of all module paths.</param>
    /// <exception cref="NotSupportedException">The oldest generation has no place for a scale or layer of this adapter.</exception>
    public static void Write(Stream stream, LoraWeights weights, LoraFormat format, IReadOnlyList<string>? targetNames)
    {
        using DisposeScope scope = NewDisposeScope();
        LoraFormat read = weights.Origin.Format is LoraFormat.DiffusersDown or LoraFormat.DiffusersProcessor && format == LoraFormat.Diffusers
            ? weights.Origin.Format.Value
            : format;
        if (LoraOutput.IsAsRead(weights, read))
        {
            SafetensorsWriter.Write(stream, LoraOutput.AsRead(weights), weights.Origin.Metadata);
            return;
        }

        var metadata = new Dictionary<string, string>(LoraOutput.TorchMetadata, StringComparer.Ordinal);
        bool scaled = weights.Pairs.Any(pair => pair.Scale != 1);
        Dictionary<string, Tensor> tensors;
        switch (format)
        {
            case LoraFormat.DiffusersProcessor:
                tensors = Processor(weights, LoraPrefix.UNet, scaled);
                break;
            case LoraFormat.DiffusersDown:
                tensors = LoraOutput.Named(weights, LoraPrefix.UNet, ".lora.down.weight", ".lora.up.weight");
                foreach (LoraPair pair in weights.Pairs.Where(_ => scaled))
                {
                    tensors.Add($"{LoraPrefix.UNet}{pair.Module}.alpha", tensor((float)pair.Alpha));
                }

                break;
            default:
                tensors = LoraOutput.Named(weights, LoraPrefix.UNet, ".lora_A.weight", ".lora_B.weight");
                if (scaled)
                {
                    metadata[MetadataKey] = new JsonObject(LoraSettings.Describe(weights, targetNames)
                        .Select(pair => KeyValuePair.Create(LoraPrefix.UNet + pair.Key, pair.Value?.DeepClone()))).ToJsonString();
                }

                break;
        }

        SafetensorsWriter.Write(stream, tensors, metadata);
    }

    private static Dictionary<string, Tensor> Processor(LoraWeights weights, string prefix, bool scaled)
    {
        if (scaled)
        {
            throw new NotSupportedException("diffusers' oldest form has no place for a scale other than 1; save as Diffusers or Peft.");
        }

        var tensors = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        foreach (LoraPair pair in weights.Pairs)
        {
            Match projection = ProjectionName().Match(pair.Module);
            if (!projection.Success)
            {
                throw new NotSupportedException($"diffusers' oldest form holds projections of attentions only, not {pair.Module}; save as Diffusers or Peft.");
            }

            string key = $"{prefix}{projection.Groups["attention"].Value}.processor.{projection.Groups["layer"].Value}_lora";
            tensors.Add($"{key}.down.weight", pair.Down);
            tensors.Add($"{key}.up.weight", pair.Up);
        }

        return tensors;
    }

    // The entries whose keys start with the network's prefix, without it; null: none.
    private static JsonObject? SettingsUnder(string prefix, string json, string path)
    {
        JsonObject all = JsonFile.ToNode(JsonFile.RequireObject(JsonFile.Parse(json, $"{path} ({MetadataKey})"), $"{path} ({MetadataKey})"));
        KeyValuePair<string, JsonNode?>[] own = [.. all.Where(entry => entry.Key.StartsWith(prefix, StringComparison.Ordinal))];
        return own.Length == 0 ? null : new JsonObject(own.Select(entry => KeyValuePair.Create(entry.Key[prefix.Length..], entry.Value?.DeepClone())));
    }

    [GeneratedRegex(@"^(?<attention>.+)\.(?<layer>to_q|to_k|to_v|to_out)(\.0)?$", RegexOptions.ExplicitCapture)]
    private static partial Regex ProjectionName();
}
