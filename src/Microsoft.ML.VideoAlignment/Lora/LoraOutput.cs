using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Lora;

/// <summary>Names the tensors of adapter files for the writers.</summary>
internal static class LoraOutput
{
    /// <summary>The metadata that safetensors files made from PyTorch carry.</summary>
    public static IReadOnlyDictionary<string, string> TorchMetadata { get; } = new Dictionary<string, string>(StringComparer.Ordinal) { ["format"] = "pt" };

    /// <summary>Collects both factors of every pair under prefix + module + suffix.</summary>
    /// <param name="weights">The adapter to write.</param>
    /// <param name="prefix">What stands before the module path.</param>
    /// <param name="down">Suffix of the down factors, such as ".lora_A.weight".</param>
    /// <param name="up">Suffix of the up factors.</param>
    /// <returns>Tensors by name; they stay the pairs'.</returns>
    public static Dictionary<string, Tensor> NameFactors(LoraWeights weights, string prefix, string down, string up)
    {
        var named = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        foreach (LoraPair pair in weights.Pairs)
        {
            named.Add($"{prefix}{pair.Module}{down}", pair.Down);
            named.Add($"{prefix}{pair.Module}{up}", pair.Up);
        }

        return named;
    }

    /// <summary>Whether the weights came from a file of this format that has names for all of them.</summary>
    /// <param name="weights">The adapter, with its origin.</param>
    /// <param name="format">The format to write.</param>
    public static bool HasOriginalNames(LoraWeights weights, LoraFormat format) =>
        weights.Origin.Format == format && weights.Pairs.All(pair => weights.Origin.Keys.ContainsKey(pair.Module));

    /// <summary>Collects every tensor under the name that it had in the file, those of other networks included.</summary>
    /// <param name="weights">An adapter for which <see cref="HasOriginalNames"/> holds.</param>
    /// <returns>Tensors by name; new ones (alphas, other networks') belong to the caller's scope.</returns>
    public static Dictionary<string, Tensor> RestoreNames(LoraWeights weights)
    {
        var named = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        foreach (LoraPair pair in weights.Pairs)
        {
            LoraPairKeys keys = weights.Origin.Keys[pair.Module];
            named.Add(keys.Down, pair.Down);
            named.Add(keys.Up, pair.Up);
            if (keys.Alpha is { } alpha)
            {
                named.Add(alpha, ScalarOps.Full([.. keys.AlphaForm.Shape], pair.Alpha, dtype: keys.AlphaForm.Dtype));
            }
        }

        foreach ((string key, StoredBytes value) in weights.Origin.NotApplied)
        {
            named.Add(key, value.ToTensor());
        }

        return named;
    }
}
