using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Lora;

/// <summary>
/// The LoRA weights of an alignment as the content of one file, diffusers' pytorch_lora_weights.safetensors. Nothing but <see cref="Export"/> touches the
/// disk, so a run needs no place to write in order to keep what it has learned.
/// </summary>
internal static class AdapterFile
{
    /// <summary>What messages call it.</summary>
    private const string Name = "adapters.safetensors";

    /// <summary>The content of the file.</summary>
    /// <param name="adapters">The adapters of a network.</param>
    public static byte[] Write(LoraAdapters adapters)
    {
        using LoraWeights weights = adapters.ToWeights();
        return Write(adapters.Network, weights);
    }

    /// <inheritdoc cref="Write(LoraAdapters)"/>
    /// <param name="network">The network that the weights fit.</param>
    /// <param name="weights">Weights that are in no network's slots.</param>
    public static byte[] Write(nn.Module network, LoraWeights weights)
    {
        using var content = new MemoryStream();
        LoraFile.Save(network, weights, content);
        return content.ToArray();
    }

    /// <summary>The same weights at another strength: 0 the base model, 1 as they are.</summary>
    public static byte[] AtStrength(nn.Module network, byte[] content, double strength)
    {
        using LoraWeights weights = Read(content);
        using LoraWeights scaled = LoraMix.Combine([(weights, strength)]);
        return Write(network, scaled);
    }

    /// <summary>Writes the weights in any format; see <see cref="LoraFile"/>.</summary>
    public static void Export(nn.Module network, byte[] content, string destination, LoraFormat format, LoraFileOptions? options)
    {
        using LoraWeights weights = Read(content);
        LoraFile.Save(network, weights, destination, format, options);
    }

    /// <summary>Puts the weights into the slots of a network, which are empty.</summary>
    /// <param name="network">The network.</param>
    /// <param name="content">What writing gave.</param>
    /// <exception cref="WeightFileException">The weights are another network's.</exception>
    public static LoraAdapters Attach(nn.Module network, byte[] content)
    {
        using LoraWeights weights = Read(content);
        return LoraAdapters.Attach(network, weights);
    }

    private static LoraWeights Read(byte[] content)
    {
        using var file = new SafetensorsFile(Name, content);
        return DiffusersLora.Read(file);
    }
}
