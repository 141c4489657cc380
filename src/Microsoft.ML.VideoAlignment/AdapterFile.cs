using Microsoft.ML.VideoAlignment.Lora;

namespace Microsoft.ML.VideoAlignment;

/// <summary>The LoRA weights of an alignment as the content of one file in memory: diffusers' pytorch_lora_weights.safetensors.</summary>
internal static class AdapterFile
{
    /// <summary>The content of the file.</summary>
    /// <param name="adapters">The adapters.</param>
    /// <param name="temporaryFolder">Where the file may lie for a moment.</param>
    public static byte[] Write(LoraAdapters adapters, string temporaryFolder) => Through(temporaryFolder, path =>
    {
        LoraFile.Save(adapters, path, LoraFormat.Diffusers);
        return File.ReadAllBytes(path);
    });

    /// <summary>As the other overload, of weights that are in no network's slots.</summary>
    public static byte[] Write(nn.Module network, LoraWeights weights, string temporaryFolder) => Through(temporaryFolder, path =>
    {
        LoraFile.Save(network, weights, path, LoraFormat.Diffusers);
        return File.ReadAllBytes(path);
    });

    /// <summary>The same weights at another strength: 0 the base model, 1 as they are.</summary>
    public static byte[] AtStrength(nn.Module network, byte[] content, double strength, string temporaryFolder) => Through(temporaryFolder, path =>
    {
        File.WriteAllBytes(path, content);
        using LoraWeights weights = LoraFile.Read(network, path, LoraFormat.Diffusers);
        using LoraWeights scaled = LoraMix.Of([(weights, strength)]);
        return Write(network, scaled, temporaryFolder);
    });

    /// <summary>Writes the weights in any format; see <see cref="LoraFile"/>.</summary>
    public static void Export(nn.Module network, byte[] content, string destination, LoraFormat format, LoraFileOptions? options, string temporaryFolder) => Through(temporaryFolder, path =>
    {
        File.WriteAllBytes(path, content);
        using LoraWeights weights = LoraFile.Read(network, path, LoraFormat.Diffusers);
        LoraFile.Save(network, weights, destination, format, options);
        return true;
    });

    /// <summary>Puts the weights into the slots of a network, which are empty.</summary>
    /// <param name="network">The network.</param>
    /// <param name="content">What writing gave.</param>
    /// <param name="temporaryFolder">Where the file may lie for a moment.</param>
    /// <exception cref="WeightFileException">The weights are another network's.</exception>
    public static LoraAdapters Attach(nn.Module network, byte[] content, string temporaryFolder) => Through(temporaryFolder, path =>
    {
        File.WriteAllBytes(path, content);
        return LoraFile.Load(network, path, LoraFormat.Diffusers);
    });

    private static T Through<T>(string temporaryFolder, Func<string, T> use)
    {
        string path = Path.Combine(temporaryFolder, $"adapters-{Guid.NewGuid():N}.safetensors");
        try
        {
            return use(path);
        }
        finally
        {
            File.Delete(path);
        }
    }
}
