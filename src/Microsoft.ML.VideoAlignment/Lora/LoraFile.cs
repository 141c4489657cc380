using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Lora;

/// <summary>
/// Reads and writes adapter files. Reading refuses by name what is not plain LoRA, and checks the whole file against the network before anything is attached.
/// </summary>
internal static class LoraFile
{
    /// <summary>Reads an adapter and attaches it.</summary>
    /// <param name="network">The network to adapt.</param>
    /// <param name="path">A file, or the folder of a peft or diffusers adapter.</param>
    /// <param name="format">The format of the file.</param>
    /// <param name="options">What the file does not say itself; null: the defaults.</param>
    /// <exception cref="WeightFileException">The file is damaged, not plain LoRA, or for another base; the network is unchanged.</exception>
    public static LoraAdapters Load(nn.Module network, string path, LoraFormat format, LoraFileOptions? options = null)
    {
        using LoraWeights weights = Read(network, path, format, options);
        return LoraAdapters.Attach(network, weights);
    }

    /// <summary>Reads an adapter for a network, whose layers give names to formats that have none or ambiguous ones.</summary>
    /// <param name="network">The network that the adapter is for; stays unchanged.</param>
    /// <param name="path">A file, or the folder of a peft or diffusers adapter.</param>
    /// <param name="format">The format of the file.</param>
    /// <param name="options">What the file does not say itself; null: the defaults.</param>
    /// <returns>The weights, which the caller disposes.</returns>
    /// <exception cref="WeightFileException">The file is damaged or not plain LoRA.</exception>
    public static LoraWeights Read(nn.Module network, string path, LoraFormat format, LoraFileOptions? options = null)
    {
        LoraLocation place = LoraLocation.Find(path);
        return format switch
        {
            LoraFormat.Peft => PeftFolder.Read(network, place),
            LoraFormat.Diffusers or LoraFormat.DiffusersDown or LoraFormat.DiffusersProcessor => DiffusersLora.Read(network, place.Weights),
            LoraFormat.Vader => VaderLora.Read(network, place.Weights, options ?? new()),
            LoraFormat.Cloneofsimo => CloneofsimoLora.Read(network, place.Weights, options ?? new()),
            _ => KohyaLora.Read(network, place.Weights),
        };
    }

    /// <summary>
    /// Writes the adapters; an adapter that was loaded from the same format gives the same keys, tensors and settings again. Files appear whole or not at all.
    /// </summary>
    /// <param name="adapters">Adapters that are attached to a network.</param>
    /// <param name="path">A folder for <see cref="LoraFormat.Peft"/>, else a file.</param>
    /// <param name="format">The format; <see cref="LoraFormat.Diffusers"/> keeps the generation of keys that it was loaded from.</param>
    /// <param name="options">What the format does not hold itself; null: the defaults.</param>
    public static void Save(LoraAdapters adapters, string path, LoraFormat format, LoraFileOptions? options = null)
    {
        using LoraWeights weights = adapters.ToWeights();
        Save(adapters.Network, weights, path, format, options);
    }

    /// <summary>Writes a file of <see cref="LoraFormat.Diffusers"/> into a stream.</summary>
    /// <param name="network">The network that the weights fit.</param>
    /// <param name="weights">The adapter to write.</param>
    /// <param name="stream">Receives the file; stays open.</param>
    public static void Save(nn.Module network, LoraWeights weights, Stream stream) =>
        DiffusersLora.Write(stream, weights, LoraFormat.Diffusers, TargetNames(network, weights));

    /// <summary>Whether saving in a format keeps the tensors of other networks that the weights' file holds.</summary>
    /// <param name="weights">The adapter, with its origin.</param>
    /// <param name="format">The format to save in.</param>
    public static bool KeepsOtherNetworks(LoraWeights weights, LoraFormat format) =>
        LoraOutput.HasOriginalNames(weights, format)
            || (format == LoraFormat.Diffusers && weights.Origin.Format is { } read && DiffusersLora.IsGeneration(read));

    /// <summary>Writes weights that are not attached to any network; see <see cref="Save(LoraAdapters, string, LoraFormat, LoraFileOptions?)"/>.</summary>
    /// <param name="network">The network that the weights fit.</param>
    /// <param name="weights">The adapter to write.</param>
    /// <param name="path">A folder for <see cref="LoraFormat.Peft"/>, else a file.</param>
    /// <param name="format">The format; <see cref="LoraFormat.Diffusers"/> keeps the generation of keys that it was loaded from.</param>
    /// <param name="options">What the format does not hold itself; null: the defaults.</param>
    public static void Save(nn.Module network, LoraWeights weights, string path, LoraFormat format, LoraFileOptions? options = null)
    {
        IReadOnlyList<string>? targetNames = TargetNames(network, weights);
        switch (format)
        {
            case LoraFormat.Peft:
                PeftFolder.Write(path, weights, targetNames);
                break;
            case LoraFormat.Diffusers or LoraFormat.DiffusersDown or LoraFormat.DiffusersProcessor:
                AtomicFile.Write(path, stream => DiffusersLora.Write(stream, weights, format, targetNames));
                break;
            case LoraFormat.Vader:
                VaderLora.Write(path, weights, options ?? new());
                break;
            case LoraFormat.Cloneofsimo:
                CloneofsimoLora.Write(network, path, weights, options ?? new());
                break;
            default:
                KohyaLora.Write(path, weights);
                break;
        }
    }

    private static IReadOnlyList<string>? TargetNames(nn.Module network, LoraWeights weights) => LoraTargets.ShortestNames(
        [.. weights.Pairs.Select(pair => pair.Module)], [.. AdaptableLayer.FindAll(network).Select(layer => layer.Name)]);
}
