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

    public static LoraWeights Read(nn.Module network, string path)
    {
        using IWeightSource source = LoraSource.Open(path);
        return Read(source, network);
    }

    /// <summary>Reads an adapter from an open file.</summary>
    /// <param name="source">The tensors of the file; stays open.</param>
    /// <param name="network">The network that the file is read for; null: only known prefixes are tried.</param>
    /// <returns>The weights, which the caller disposes.</returns>
    /// <exception cref="WeightFileException">The file is damaged or not plain LoRA.</exception>
    public static LoraWeights Read(IWeightSource source, nn.Module? network = null)
    {
        string prefix = LoraPrefix.Find(source.Entries.Keys, network);
        (LoraSettings? scales, JsonObject? settings, string[] assumptions) = Scales(source, prefix);
        var origin = new LoraOrigin
        {
            Format = LoraFormat.Diffusers,
            Prefix = prefix,
            Settings = settings,
            Metadata = Metadata(source),
            Assumptions = assumptions,
        };
        return LoraReader.Read(
            source, key => key.StartsWith(prefix, StringComparison.Ordinal) ? LoraKey.Parse(key[prefix.Length..]) : null,
            (module, rank, alpha) => alpha / rank ?? scales?.GetScale(module, rank) ?? 1, origin);
    }

    /// <summary>Reads the scales of the denoiser's layers from lora_adapter_metadata in the safetensors header.</summary>
    /// <param name="source">The tensors of the file; stays open.</param>
    /// <param name="prefix">The prefix of the file's keys.</param>
    /// <returns>The scales and the settings that they come from, null if the header has none for the denoiser; and what is assumed then.</returns>
    /// <exception cref="WeightFileException">It is ambiguous which settings are the denoiser's, or they are not of plain LoRA.</exception>
    public static (LoraSettings? Scales, JsonObject? Settings, string[] Assumptions) Scales(IWeightSource source, string prefix)
    {
        if (!Metadata(source).TryGetValue(MetadataKey, out string? json))
        {
            return (null, null, KohyaLora.Assume(source, Metadata(source)));
        }

        JsonObject? settings = SettingsUnder(prefix, json, source.Location);
        return settings is not null ? (LoraSettings.FromJson(settings, source.Location), settings, [])
            : (null, null, [$"{source.Location}: its {MetadataKey} has no settings of the denoiser, so the scale is 1 where no tensor holds an alpha."]);
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
        if (LoraOutput.HasOriginalNames(weights, read))
        {
            SafetensorsWriter.Write(stream, LoraOutput.RestoreNames(weights), weights.Origin.Metadata);
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
                tensors = LoraOutput.NameFactors(weights, LoraPrefix.UNet, ".lora.down.weight", ".lora.up.weight");
                foreach (LoraPair pair in weights.Pairs.Where(_ => scaled))
                {
                    tensors.Add($"{LoraPrefix.UNet}{pair.Module}.alpha", tensor((float)pair.Alpha));
                }

                break;
            default:
                tensors = LoraOutput.NameFactors(weights, LoraPrefix.UNet, ".lora_A.weight", ".lora_B.weight");
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

    private static IReadOnlyDictionary<string, string> Metadata(IWeightSource source) =>
        (source as SafetensorsFile)?.Metadata ?? new Dictionary<string, string>(StringComparer.Ordinal);

    // The settings under the keys' prefix, without it; else those of the one network that is not a text encoder, whatever its prefix; null: there are only
    // those of text encoders.
    private static JsonObject? SettingsUnder(string prefix, string json, string path)
    {
        JsonObject all = JsonFile.ToNode(JsonFile.RequireObject(JsonFile.Parse(json, $"{path} ({MetadataKey})"), $"{path} ({MetadataKey})"));
        ILookup<string, KeyValuePair<string, JsonNode?>> networks =
            all.ToLookup(entry => entry.Key[..(entry.Key.LastIndexOf('.') + 1)], StringComparer.Ordinal);
        if (prefix.Length > 0 && networks.Contains(prefix))
        {
            return Under(prefix);
        }

        string[] texts = [.. networks.Select(network => network.Key).Where(LoraPrefix.IsTextEncoder)];
        string[] others =
        [
            .. networks.Select(network => network.Key).Except(texts)
                .Where(key => key.Length > 0 || networks[key].Any(entry => entry.Key is "r" or "lora_alpha")),
        ];
        return others is [var network] ? Under(network)
            : others.Length == 0 && (texts.Length > 0 || all.Count == 0) ? null
            : throw new WeightFileException(
                path, $"its {MetadataKey} has no settings for keys with the prefix '{prefix}': it holds "
                + $"{string.Join(", ", all.Take(5).Select(entry => $"'{entry.Key}'"))}{(all.Count > 5 ? ", ..." : "")}. "
                + "The scale would be a guess: save the file again with the tool that made it, or with an alpha beside each pair of factors.");

        JsonObject Under(string start) => new(networks[start].Select(entry => KeyValuePair.Create(entry.Key[start.Length..], entry.Value?.DeepClone())));
    }

    [GeneratedRegex(@"^(?<attention>.+)\.(?<layer>to_q|to_k|to_v|to_out)(\.0)?$", RegexOptions.ExplicitCapture)]
    private static partial Regex ProjectionName();
}
