using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Lora;

/// <summary>Recognizes the format of LoRA weights from the content of a file or folder.</summary>
internal static class LoraFormatDetector
{
    /// <summary>Detects the format of a file or folder.</summary>
    /// <param name="path">A file, or the folder of an adapter.</param>
    /// <exception cref="WeightFileException">The file is damaged, or in none of the formats; the message says what was looked for.</exception>
    public static LoraFormat Detect(string path)
    {
        LoraLocation place = LoraLocation.Find(path);
        if (place.Config is not null)
        {
            return LoraFormat.Peft;
        }

        IReadOnlyCollection<string> keys;
        using (IWeightSource source = WeightFile.OpenSingle(place.Weights))
        {
            if (source is TorchFile { Root: ListNode })
            {
                return LoraFormat.Cloneofsimo;
            }

            (source as TorchFile)?.SelectOnlyDict();
            keys = [.. source.Entries.Keys];
        }

        return keys.Any(KohyaLora.IsKey) ? LoraFormat.Kohya
            : keys.Any(key => key.Contains(".processor.", StringComparison.Ordinal)) ? LoraFormat.DiffusersProcessor
            : keys.Any(key => $".{key}".Contains($".{LoraPrefix.Peft}", StringComparison.Ordinal)) ? LoraFormat.Vader
            : keys.Any(key => key.Contains(".lora.down.", StringComparison.Ordinal)) ? LoraFormat.DiffusersDown
            : keys.Any(key => key.Contains("lora_A", StringComparison.Ordinal) || key.Contains("lora_down", StringComparison.Ordinal)) ? LoraFormat.Diffusers
            : throw new WeightFileException(
                place.Weights,
                "is not in a known LoRA format: looked for a folder with adapter_config.json (peft), a list of tensors (cloneofsimo), "
                + $"and keys with lora_unet_ (kohya), .processor. or lora_A or .lora.down. (diffusers), {LoraPrefix.Peft} (VADER). "
                + $"It holds {string.Join(", ", keys.Take(3))}{(keys.Count > 3 ? ", ..." : "")}.");
    }
}
