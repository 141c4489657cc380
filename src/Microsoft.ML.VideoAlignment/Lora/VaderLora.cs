using System.Globalization;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Lora;

/// <summary>
/// Reads and writes VADER's peft_model_N.pt: a flat dictionary of prefix + MODULE.lora_A.weight. The rank follows from the shapes; the alpha is not in the
/// file.
/// </summary>
internal static class VaderLora
{
    public static LoraWeights Read(nn.Module network, string path, LoraFileOptions options)
    {
        double alpha = RequireAlpha(options);
        using IWeightSource source = LoraSource.Open(path);
        string prefix = options.Prefix ?? LoraPrefix.Find(source.Entries.Keys, network);
        LoraSettings? scales = options.AlphaIsStated ? null : DiffusersLora.Scales(source, prefix).Scales;
        string[] assumptions = options.AlphaIsStated || scales is not null ? [] :
        [
            string.Create(CultureInfo.InvariantCulture, $"{path}: the file does not say its alpha; {alpha} was assumed, ")
                + "peft's default, which VADER's scripts keep. "
                + $"If it was trained with another, set {nameof(LoraFileOptions)}.{nameof(LoraFileOptions.Alpha)}, or put its adapter_config.json "
                + "beside adapter_model.safetensors.",
        ];
        var origin = new LoraOrigin { Format = LoraFormat.Vader, Prefix = prefix, Assumptions = assumptions };
        return LoraReader.Read(
            source, key => key.StartsWith(prefix, StringComparison.Ordinal) ? LoraKey.Parse(key[prefix.Length..]) : null,
            (module, rank, own) => own / rank ?? scales?.GetScale(module, rank) ?? alpha / rank, origin);
    }

    /// <summary>Writes an adapter whose alpha, which the file cannot hold, is the one in the options.</summary>
    /// <param name="path">The file to write.</param>
    /// <param name="weights">The adapter to write.</param>
    /// <param name="options"><see cref="LoraFileOptions.Alpha"/> is the alpha that the file will be read with.</param>
    /// <exception cref="NotSupportedException">A module has another alpha.</exception>
    public static void Write(string path, LoraWeights weights, LoraFileOptions options)
    {
        double alpha = RequireAlpha(options);
        if (weights.Pairs.FirstOrDefault(pair => Math.Abs(pair.Alpha - alpha) > 1e-6 * alpha) is { } other)
        {
            throw new NotSupportedException(string.Create(
                CultureInfo.InvariantCulture,
                $"VADER's files hold no alpha: their reader assumes {alpha}, but {other.Module} has alpha {other.Alpha}. "
                + $"Save as Peft, or set that alpha in the options."));
        }

        using DisposeScope scope = NewDisposeScope();
        bool again = LoraOutput.HasOriginalNames(weights, LoraFormat.Vader) && (options.Prefix is null || options.Prefix == weights.Origin.Prefix);
        TorchZipWriter.Write(
            path, again ? LoraOutput.RestoreNames(weights)
                : LoraOutput.NameFactors(weights, options.Prefix ?? LoraPrefix.Peft, ".lora_A.weight", ".lora_B.weight"));
    }

    private static double RequireAlpha(LoraFileOptions options) => options.Alpha is > 0 and <= LoraReader.MaxAlpha
        ? options.Alpha
        : throw new ArgumentException(
            string.Create(
                CultureInfo.InvariantCulture,
                $"{nameof(LoraFileOptions)}.{nameof(LoraFileOptions.Alpha)} must be a finite number above 0, got {options.Alpha}."),
            nameof(options));
}
