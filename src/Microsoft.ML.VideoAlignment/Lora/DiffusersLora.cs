using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Lora;

/// <summary>
/// diffusers' pytorch_lora_weights in its three generations of keys. The scale is 1 (alpha = rank) unless the safetensors header has
/// lora_adapter_metadata, a JSON text of peft's settings with the network's prefix ("unet.lora_alpha"), or a key MODULE.alpha.
/// </summary>
internal static partial class DiffusersLora
{
    private const string DefaultPrefix = "unet.";
    private const string MetadataKey = "lora_adapter_metadata";

    public static LoraWeights Read(string path)
    {
        using IWeightSource source = WeightFile.Open(path);
        return Read(source);
    }

    /// <summary>As the other overload, of a file that is open.</summary>
    public static LoraWeights Read(IWeightSource source)
    {
        IReadOnlyDictionary<string, string> metadata = (source as SafetensorsFile)?.Metadata ?? new Dictionary<string, string>(StringComparer.Ordinal);
        string prefix = new[] { DefaultPrefix, "transformer." }.FirstOrDefault(name => source.Entries.Keys.Any(key => key.StartsWith(name, StringComparison.Ordinal))) ?? "";
        JsonObject? settings = metadata.TryGetValue(MetadataKey, out string? json) ? OfNetwork(json, prefix.Length > 0 ? prefix : DefaultPrefix, source.Location) : null;
        LoraSettings? scales = settings is null ? null : LoraSettings.FromJson(settings, source.Location);
        var format = LoraFormat.Diffusers;
        var origin = new LoraOrigin { Prefix = prefix, Settings = settings, Metadata = metadata };
        LoraWeights weights = LoraKeys.Read(source, Parse, (module, rank, alpha) => alpha / rank ?? scales?.ScaleOf(module, rank) ?? 1, origin);
        return new LoraWeights(weights.Pairs, weights.Origin with { Format = format });

        (string, LoraRole)? Parse(string key)
        {
            if (!key.StartsWith(prefix, StringComparison.Ordinal) || key.StartsWith("text_encoder", StringComparison.Ordinal))
            {
                return key.StartsWith("text_encoder", StringComparison.Ordinal) ? (key, LoraRole.NotApplied) : null;
            }

            string name = key[prefix.Length..];
            if (LoraKeys.Suffixed(name, ".lora_A.weight", ".lora_B.weight") is { } peft)
            {
                return peft;
            }

            Match processor = ProcessorKey().Match(name);
            if (processor.Success)
            {
                format = LoraFormat.DiffusersProcessor;
                string layer = processor.Groups["layer"].Value;
                return ($"{processor.Groups["attention"].Value}.{(layer == "to_out" ? "to_out.0" : layer)}", processor.Groups["role"].Value == "down" ? LoraRole.Down : LoraRole.Up);
            }

            (string, LoraRole)? middle = LoraKeys.Suffixed(name, ".lora.down.weight", ".lora.up.weight", ".alpha");
            format = middle is null ? format : LoraFormat.DiffusersDown;
            return middle;
        }
    }

    /// <summary>Writes the generation of keys that was read; adapters that come from elsewhere get lora_A and lora_B.</summary>
    public static void Write(Stream stream, LoraWeights weights, LoraFormat format, IReadOnlyList<string>? targetNames)
    {
        LoraOrigin origin = weights.Origin;
        bool again = origin.Format is LoraFormat.Diffusers or LoraFormat.DiffusersDown or LoraFormat.DiffusersProcessor && (format == LoraFormat.Diffusers || format == origin.Format);
        format = again ? origin.Format!.Value : format;
        string prefix = again ? origin.Prefix : DefaultPrefix;
        var metadata = new Dictionary<string, string>(again ? origin.Metadata : LoraOutput.TorchMetadata, StringComparer.Ordinal);
        bool scaled = weights.Pairs.Any(pair => pair.Scale != 1);
        using DisposeScope scope = NewDisposeScope();
        Dictionary<string, Tensor> tensors;
        switch (format)
        {
            case LoraFormat.DiffusersProcessor:
                tensors = Processor(weights, prefix, scaled);
                break;
            case LoraFormat.DiffusersDown:
                tensors = LoraOutput.Named(weights, prefix, ".lora.down.weight", ".lora.up.weight");
                foreach (LoraPair pair in weights.Pairs.Where(pair => again ? !origin.WithoutAlpha.Contains(pair.Module) : scaled))
                {
                    tensors.Add($"{prefix}{pair.Module}.alpha", tensor((float)pair.Alpha));
                }

                break;
            default:
                tensors = LoraOutput.Named(weights, prefix, ".lora_A.weight", ".lora_B.weight");
                if (scaled && !(again && origin.Settings is not null))
                {
                    metadata[MetadataKey] = new JsonObject(LoraSettings.Describe(weights, targetNames).Select(pair => KeyValuePair.Create(prefix + pair.Key, pair.Value?.DeepClone()))).ToJsonString();
                }

                break;
        }

        if (again)
        {
            foreach ((string key, StoredBytes value) in origin.NotApplied)
            {
                tensors.Add(key, value.ToTensor());
            }
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

    /// <summary>The entries that start with the network's prefix, without it.</summary>
    private static JsonObject? OfNetwork(string json, string prefix, string path)
    {
        try
        {
            if (JsonNode.Parse(json) is not JsonObject all)
            {
                throw new WeightFileException(path, $"{MetadataKey} is no JSON object.");
            }

            KeyValuePair<string, JsonNode?>[] own = [.. all.Where(pair => pair.Key.StartsWith(prefix, StringComparison.Ordinal))];
            return own.Length == 0 ? null : new JsonObject(own.Select(pair => KeyValuePair.Create(pair.Key[prefix.Length..], pair.Value?.DeepClone())));
        }
        catch (JsonException exception)
        {
            throw new WeightFileException(path, $"{MetadataKey} is no JSON: {exception.Message}", exception);
        }
    }

    [GeneratedRegex(@"^(?<attention>.+)\.processor\.(?<layer>to_q|to_k|to_v|to_out)_lora\.(?<role>down|up)\.weight$", RegexOptions.ExplicitCapture)]
    private static partial Regex ProcessorKey();

    [GeneratedRegex(@"^(?<attention>.+)\.(?<layer>to_q|to_k|to_v|to_out)(\.0)?$", RegexOptions.ExplicitCapture)]
    private static partial Regex ProjectionName();
}
