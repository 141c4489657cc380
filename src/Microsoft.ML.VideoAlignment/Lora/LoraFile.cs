using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Lora;

/// <summary>Adapter files, in and out. Reading refuses what is not plain LoRA by its name, and checks the whole file against the network before anything is attached.</summary>
internal static class LoraFile
{
    /// <summary>Reads an adapter and attaches it.</summary>
    /// <exception cref="WeightFileException">The file is unsound, no plain LoRA, or for another base; the network is as it was.</exception>
    public static LoraAdapters Load(nn.Module network, string path, LoraFormat format, LoraFileOptions? options = null)
    {
        using LoraWeights weights = Read(network, path, format, options);
        return LoraAdapters.Attach(network, weights);
    }

    /// <summary>Reads an adapter for <paramref name="network"/>, whose layers give names to formats that have none or ambiguous ones.</summary>
    /// <exception cref="WeightFileException">The file is unsound or no plain LoRA.</exception>
    public static LoraWeights Read(nn.Module network, string path, LoraFormat format, LoraFileOptions? options = null)
    {
        LoraPlace place = LoraPlace.Find(path);
        return format switch
        {
            LoraFormat.Peft => PeftFolder.Read(network, place),
            LoraFormat.Diffusers or LoraFormat.DiffusersDown or LoraFormat.DiffusersProcessor => DiffusersLora.Read(network, place.Weights),
            LoraFormat.Vader => VaderLora.Read(network, place.Weights, options ?? new()),
            LoraFormat.Cloneofsimo => CloneofsimoLora.Read(network, place.Weights, options ?? new()),
            _ => KohyaLora.Read(network, place.Weights),
        };
    }

    /// <summary>The named tensors of an adapter file: of a checkpoint that holds nothing else at its top, those of the one dict in it. The caller disposes the source.</summary>
    /// <exception cref="WeightFileException">The file is unsound, or has no tensors with names.</exception>
    public static IWeightSource OpenTensors(string path)
    {
        IWeightSource source = WeightFile.OpenSingle(path);
        try
        {
            (source as TorchFile)?.SelectOnlyDict();
            return source;
        }
        catch
        {
            source.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Writes the adapters; an adapter that was loaded from the same format gives the same keys, tensors and settings again. Files appear whole or not at all.
    /// </summary>
    /// <param name="adapters">The adapters of a network.</param>
    /// <param name="path">A folder for <see cref="LoraFormat.Peft"/>, else a file.</param>
    /// <param name="format">The format; <see cref="LoraFormat.Diffusers"/> keeps the generation of keys that it was loaded from.</param>
    /// <param name="options">See <see cref="LoraFileOptions"/>.</param>
    public static void Save(LoraAdapters adapters, string path, LoraFormat format, LoraFileOptions? options = null)
    {
        using LoraWeights weights = adapters.ToWeights();
        Save(adapters.Network, weights, path, format, options);
    }

    /// <summary>Writes a file of <see cref="LoraFormat.Diffusers"/> into a stream.</summary>
    public static void Save(nn.Module network, LoraWeights weights, Stream stream) =>
        DiffusersLora.Write(stream, weights, LoraFormat.Diffusers, TargetNames(network, weights));

    /// <summary>Whether saving in this format keeps the tensors of other networks that the weights' file holds.</summary>
    public static bool KeepsOtherNetworks(LoraWeights weights, LoraFormat format) =>
        LoraOutput.IsAsRead(weights, format) || (format == LoraFormat.Diffusers && weights.Origin.Format is { } read && DiffusersLora.IsGeneration(read));

    /// <summary>As the other overload, of weights that are in no network's slots; they fit <paramref name="network"/>.</summary>
    public static void Save(nn.Module network, LoraWeights weights, string path, LoraFormat format, LoraFileOptions? options = null)
    {
        IReadOnlyList<string>? targetNames = TargetNames(network, weights);
        switch (format)
        {
            case LoraFormat.Peft:
                PeftFolder.Write(path, weights, targetNames);
                break;
            case LoraFormat.Diffusers or LoraFormat.DiffusersDown or LoraFormat.DiffusersProcessor:
                WrittenFile.Write(path, stream => DiffusersLora.Write(stream, weights, format, targetNames));
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
