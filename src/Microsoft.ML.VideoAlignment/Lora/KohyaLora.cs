using System.Text.RegularExpressions;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Lora;

/// <summary>
/// Reads and writes the image trainers' format (kohya-ss, LyCORIS, OneTrainer): lora_unet_ or lora_transformer_ and the module path with underscores for dots,
/// then lora_down, lora_up and alpha. Scale = alpha / rank; a module without alpha has scale 1, as in the trainer's own loader.
/// </summary>
/// <remarks>An underscore may or may not be a dot, so names are looked up among the network's.</remarks>
internal static partial class KohyaLora
{
    private const string Prefix = "lora_unet_";
    private const string AlphaMetadata = "ss_network_alpha";

    public static LoraWeights Read(nn.Module network, string path)
    {
        Dictionary<string, string[]> modules = AdaptableLayer.FindAll(network).GroupBy(layer => Flat(layer.Name), StringComparer.Ordinal)
            .ToDictionary(group => group.Key, group => group.Select(layer => layer.Name).ToArray(), StringComparer.Ordinal);
        using IWeightSource source = LoraSource.Open(path);
        IReadOnlyDictionary<string, string> metadata = (source as SafetensorsFile)?.Metadata ?? LoraOutput.TorchMetadata;
        var origin = new LoraOrigin { Format = LoraFormat.Kohya, Prefix = Prefix, Metadata = metadata, Assumptions = Assume(source, metadata) };
        return LoraReader.Read(source, Parse, (_, rank, alpha) => alpha / rank ?? 1, origin);

        LoraKey? Parse(string key)
        {
            if (PrefixForm().Match(key) is not { Success: true } prefix || LoraKey.Parse(key[prefix.Length..]) is not { } parts)
            {
                return null;
            }

            // A name that the network does not have stays as it is: the check against the network lists it.
            return !modules.TryGetValue(parts.Module, out string[]? names) ? parts
                : names.Length == 1 ? parts with { Module = names[0] }
                : throw new WeightFileException(path, $"'{key}' may mean any of {string.Join(", ", names)}.");
        }
    }

    public static void Write(string path, LoraWeights weights)
    {
        using DisposeScope scope = NewDisposeScope();
        if (LoraOutput.HasOriginalNames(weights, LoraFormat.Kohya))
        {
            SafetensorsWriter.Write(path, LoraOutput.RestoreNames(weights), weights.Origin.Metadata);
            return;
        }

        var tensors = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        foreach (LoraPair pair in weights.Pairs)
        {
            string name = Prefix + Flat(pair.Module);
            if (!tensors.TryAdd($"{name}.lora_down.weight", pair.Down))
            {
                throw new NotSupportedException($"Two modules would have the name {name}; save as Diffusers or Peft.");
            }

            tensors.Add($"{name}.lora_up.weight", pair.Up);
            tensors.Add($"{name}.alpha", AlphaOf(pair));
        }

        SafetensorsWriter.Write(path, tensors, LoraOutput.TorchMetadata);
    }

    // In the factors' type, as the trainers write it, where that holds the number; else in float32: half precision ends at 65504.
    private static Tensor AlphaOf(LoraPair pair)
    {
        Tensor alpha = tensor(pair.Alpha, dtype: pair.Down.dtype);
        double read = HostRead.Number(alpha);
        return Math.Abs(read - pair.Alpha) <= 1e-6 * Math.Abs(pair.Alpha) ? alpha : tensor(pair.Alpha, dtype: ScalarType.Float32);
    }

    /// <summary>Lists what is assumed if the header has an alpha of the training and no tensor has one.</summary>
    /// <param name="source">The tensors of the file; stays open.</param>
    /// <param name="metadata">The text entries of the file's header.</param>
    /// <returns>A sentence for each assumption; empty: none.</returns>
    public static string[] Assume(IWeightSource source, IReadOnlyDictionary<string, string> metadata) =>
        metadata.TryGetValue(AlphaMetadata, out string? alpha)
            && !source.Entries.Keys.Any(key => key.EndsWith(".alpha", StringComparison.Ordinal) && !LoraPrefix.IsTextEncoder(key))
            ?
            [
                $"{source.Location}: no tensor holds an alpha, so the scale is 1, as in the trainer's own loader; the header's {AlphaMetadata} ('{alpha}') "
                + "describes the training and is not read.",
            ]
            : [];

    /// <summary>Whether a key is in this format, be it the denoiser's or a text encoder's.</summary>
    /// <param name="key">A key of an adapter file.</param>
    public static bool IsKey(string key) => PrefixForm().IsMatch(key) || key.StartsWith("lora_te", StringComparison.OrdinalIgnoreCase);

    private static string Flat(string module) => module.Replace('.', '_');

    [GeneratedRegex("^lora_(prior_)?(unet|transformer)_", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant | RegexOptions.IgnoreCase)]
    private static partial Regex PrefixForm();
}
