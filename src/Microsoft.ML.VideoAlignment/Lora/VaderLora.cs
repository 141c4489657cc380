using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Lora;

/// <summary>VADER's peft_model_N.pt: a flat dictionary of prefix + MODULE.lora_A.weight. Rank from the shapes; alpha is not in the file.</summary>
internal static class VaderLora
{
    /// <summary>VideoCrafter's script adapts the whole latent diffusion model, Open-Sora's the denoiser; the longer is tried first.</summary>
    private static readonly string[] s_prefixes = ["base_model.model.model.diffusion_model.", PeftFolder.Prefix];

    public static LoraWeights Read(string path, LoraFileOptions options)
    {
        using IWeightSource source = WeightFile.Open(path);
        string prefix = options.Prefix ?? s_prefixes.FirstOrDefault(name => source.Entries.Keys.All(key => key.StartsWith(name, StringComparison.Ordinal))) ?? PeftFolder.Prefix;
        return LoraKeys.Read(source, Parse, (_, rank, _) => options.Alpha / rank, new LoraOrigin { Format = LoraFormat.Vader, Prefix = prefix });

        (string, LoraRole)? Parse(string key) =>
            key.StartsWith(prefix, StringComparison.Ordinal) ? LoraKeys.Suffixed(key[prefix.Length..], ".lora_A.weight", ".lora_B.weight") : null;
    }

    /// <summary>The alpha has no place in the file: <see cref="LoraFileOptions.Alpha"/> must be the one that the reader will be told.</summary>
    public static void Write(string path, LoraWeights weights, LoraFileOptions options)
    {
        if (weights.Pairs.FirstOrDefault(pair => Math.Abs(pair.Alpha - options.Alpha) > 1e-6 * options.Alpha) is { } other)
        {
            throw new NotSupportedException($"VADER's files hold no alpha: their reader takes {options.Alpha}, but {other.Module} has alpha {other.Alpha}. Save as Peft, or state that alpha in the options.");
        }

        string prefix = options.Prefix ?? (weights.Origin.Format == LoraFormat.Vader ? weights.Origin.Prefix : PeftFolder.Prefix);
        TorchZipWriter.Write(path, LoraOutput.Named(weights, prefix, ".lora_A.weight", ".lora_B.weight"));
    }
}
