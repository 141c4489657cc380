using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Lora;

/// <summary>
/// The picture trainers' format (kohya-ss, LyCORIS): lora_unet_ and the module path with underscores for dots, lora_down, lora_up and alpha. An underscore
/// may or may not be a dot, so names are found among the network's. Scale = alpha / rank; a module without alpha has scale 1.
/// </summary>
internal static class KohyaLora
{
    private const string Prefix = "lora_unet_";

    public static LoraWeights Read(nn.Module network, string path)
    {
        Dictionary<string, string[]> modules = AdaptableLayer.Of(network).GroupBy(layer => Flat(layer.Name), StringComparer.Ordinal)
            .ToDictionary(group => group.Key, group => group.Select(layer => layer.Name).ToArray(), StringComparer.Ordinal);
        using IWeightSource source = WeightFile.Open(path);
        var origin = new LoraOrigin { Format = LoraFormat.Kohya, Prefix = Prefix, Metadata = (source as SafetensorsFile)?.Metadata ?? LoraOutput.TorchMetadata };
        return LoraKeys.Read(source, Parse, (_, rank, alpha) => alpha / rank ?? 1, origin);

        (string, LoraRole)? Parse(string key)
        {
            if (key.StartsWith("lora_te", StringComparison.Ordinal))
            {
                return (key, LoraRole.NotApplied);
            }

            if (!key.StartsWith(Prefix, StringComparison.Ordinal) || LoraKeys.Suffixed(key[Prefix.Length..], ".lora_down.weight", ".lora_up.weight", ".alpha") is not { } parts)
            {
                return null;
            }

            // A name that the network has not is left as it is: the check against the network lists it.
            return !modules.TryGetValue(parts.Module, out string[]? names) ? parts
                : names.Length == 1 ? (names[0], parts.Role)
                : throw new WeightFileException(path, $"'{key}' may mean any of {string.Join(", ", names)}.");
        }
    }

    public static void Write(string path, LoraWeights weights)
    {
        LoraOrigin origin = weights.Origin;
        bool again = origin.Format == LoraFormat.Kohya;
        using DisposeScope scope = NewDisposeScope();
        var tensors = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        foreach (LoraPair pair in weights.Pairs)
        {
            string name = Prefix + Flat(pair.Module);
            if (!tensors.TryAdd($"{name}.lora_down.weight", pair.Down))
            {
                throw new NotSupportedException($"Two modules would have the name {name}; save as Diffusers or Peft.");
            }

            tensors.Add($"{name}.lora_up.weight", pair.Up);
            if (!again || !origin.WithoutAlpha.Contains(pair.Module))
            {
                tensors.Add($"{name}.alpha", tensor(pair.Alpha, dtype: pair.Down.dtype));
            }
        }

        foreach ((string key, StoredBytes value) in again ? origin.NotApplied : new Dictionary<string, StoredBytes>(StringComparer.Ordinal))
        {
            tensors.Add(key, value.ToTensor());
        }

        SafetensorsWriter.Write(path, tensors, again ? origin.Metadata : LoraOutput.TorchMetadata);
    }

    private static string Flat(string module) => module.Replace('.', '_');
}
