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

    /// <summary>Puts the weights into the slots of a network, which are empty.</summary>
    /// <param name="network">The network.</param>
    /// <param name="content">What <see cref="Write"/> gave.</param>
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
