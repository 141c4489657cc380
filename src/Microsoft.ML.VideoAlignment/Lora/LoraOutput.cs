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
}
