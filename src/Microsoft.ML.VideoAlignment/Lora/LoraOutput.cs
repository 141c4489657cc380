using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Lora;

/// <summary>What the writers of adapter files share.</summary>
internal static class LoraOutput
{
    /// <summary>The metadata that safetensors files made from PyTorch carry.</summary>
    public static IReadOnlyDictionary<string, string> TorchMetadata { get; } = new Dictionary<string, string>(StringComparer.Ordinal) { ["format"] = "pt" };

    /// <summary>Both factors of every pair under prefix + module + suffix; the tensors stay the pairs'.</summary>
    public static Dictionary<string, Tensor> Named(LoraWeights weights, string prefix, string down, string up)
    {
        var named = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        foreach (LoraPair pair in weights.Pairs)
        {
            named.Add($"{prefix}{pair.Module}{down}", pair.Down);
            named.Add($"{prefix}{pair.Module}{up}", pair.Up);
        }

        return named;
    }

    /// <summary>Whether the file that the weights came from is of this format and has names for all of them.</summary>
    public static bool IsAsRead(LoraWeights weights, LoraFormat format) => weights.Origin.Format == format && weights.Pairs.All(pair => weights.Origin.Keys.ContainsKey(pair.Module));

    /// <summary>Every tensor under the name that it had in the file, those of other networks included. New tensors belong to the caller's scope.</summary>
    public static Dictionary<string, Tensor> AsRead(LoraWeights weights)
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
