using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Lora;

/// <summary>
/// Packs the LoRA weights of an alignment into the content of one file, diffusers' pytorch_lora_weights.safetensors. Only <see cref="Export"/> touches the
/// disk, so a run needs no writable place to keep what it has learned.
/// </summary>
internal static class AdapterFile
{
    // The name of the file in error messages.
    private const string Name = "adapters.safetensors";

    /// <summary>Writes the adapters of a network into memory.</summary>
    /// <param name="adapters">Adapters that are attached to a network.</param>
    /// <returns>The content of the file.</returns>
    public static byte[] Write(LoraAdapters adapters)
    {
        using LoraWeights weights = adapters.ToWeights();
        return Write(adapters.Network, weights);
    }

    /// <summary>Writes weights that are not attached to any network into memory.</summary>
    /// <param name="network">The network that the weights fit.</param>
    /// <param name="weights">Factors and scales, on the CPU.</param>
    /// <returns>The content of the file.</returns>
    public static byte[] Write(nn.Module network, LoraWeights weights)
    {
        using var content = new MemoryStream();
        LoraFile.Save(network, weights, content);
        return content.ToArray();
    }

    /// <summary>Scales the adapter of a file.</summary>
    /// <param name="network">The network that the adapter fits.</param>
    /// <param name="content">The content of the file, from <see cref="Write(LoraAdapters)"/>.</param>
    /// <param name="strength">0 = base model, 1 = as trained.</param>
    /// <returns>The content of the scaled file.</returns>
    public static byte[] Scale(nn.Module network, byte[] content, double strength)
    {
        using LoraWeights weights = Read(content);
        using LoraWeights scaled = LoraMix.Combine([(weights, strength)]);
        return Write(network, scaled);
    }

    /// <summary>Writes the weights to disk in any format; see <see cref="LoraFile"/>.</summary>
    /// <param name="network">The network that the adapter fits.</param>
    /// <param name="content">The content of the file, from <see cref="Write(LoraAdapters)"/>.</param>
    /// <param name="destination">A folder for <see cref="LoraFormat.Peft"/>, else a file.</param>
    /// <param name="format">The format to write.</param>
    /// <param name="options">What the format does not hold itself; null: the defaults.</param>
    public static void Export(nn.Module network, byte[] content, string destination, LoraFormat format, LoraFileOptions? options)
    {
        using LoraWeights weights = Read(content);
        LoraFile.Save(network, weights, destination, format, options);
    }

    /// <summary>Attaches the weights to a network whose adapter slots are empty.</summary>
    /// <param name="network">The network to adapt.</param>
    /// <param name="content">The content of the file, from <see cref="Write(LoraAdapters)"/>.</param>
    /// <exception cref="WeightFileException">The weights belong to another network.</exception>
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
