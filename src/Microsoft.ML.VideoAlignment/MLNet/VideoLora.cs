using Microsoft.ML.VideoAlignment.Lora;

namespace Microsoft.ML.VideoAlignment;

/// <summary>LoRA weights in a file of any of the formats in <see cref="LoraFormat"/>, made by an alignment or by another trainer.</summary>
/// <param name="Path">The file, or the folder of peft or diffusers that contains it.</param>
public sealed record VideoLora(string Path)
{
    /// <summary>The format; null (default): detected from the file.</summary>
    public LoraFormat? Format { get; init; }

    /// <summary><see cref="Format"/>, or the format detected from the file, which is opened at each call.</summary>
    /// <exception cref="WeightFileException">The file is damaged, or of an unknown format; the message says what was looked for.</exception>
    public LoraFormat DetectedFormat => Format ?? LoraFormatDetector.Detect(Path);

    /// <summary>Adapter strength: 0 is the base model, 1 (default) as trained; other finite numbers extrapolate.</summary>
    public double Strength { get; init; } = 1;

    /// <summary>What the file does not say itself, such as the alpha of VADER's files.</summary>
    public LoraFileOptions FileOptions { get; init; } = new();

    /// <summary>Writes the LoRA weights in another format: completely, or not at all.</summary>
    /// <param name="model">The base model that the weights are for; its layers give the names in formats that need them.</param>
    /// <param name="path">A folder for <see cref="LoraFormat.Peft"/>, else a file; what is there is replaced.</param>
    /// <param name="format">The format to write.</param>
    /// <param name="options">What the format needs to know besides the weights; null: the defaults.</param>
    /// <returns>What was left out or assumed, one sentence per item, such as a text encoder's tensors; empty: nothing.</returns>
    /// <exception cref="WeightFileException">
    /// The weights are damaged, not a plain LoRA, or belong to another model; the message lists the keys that do not fit.
    /// </exception>
    /// <exception cref="NotSupportedException">
    /// The format cannot represent something in these weights (a scale, a layer); the message names one that can.
    /// </exception>
    public IReadOnlyList<string> Convert(VideoDiffusionModel model, string path, LoraFormat format, LoraFileOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentException.ThrowIfNullOrEmpty(path);
        using LoraWeights weights = Read(model);
        using LoraWeights? scaled = Strength == 1 ? null : LoraMix.Combine([(weights, Strength)]);
        bool kept = scaled is null && LoraFile.KeepsOtherNetworks(weights, format);
        LoraFile.Save(model.Denoiser, scaled ?? weights, path, format, options);
        return Notes(weights, kept ? null : "are left out of the file that is written");
    }

    /// <summary>Checks LoRAs as far as can be done without their files.</summary>
    /// <param name="loras">The LoRAs.</param>
    /// <exception cref="ArgumentException">One is null, or has no path, no options or no finite strength; the message says which.</exception>
    internal static void Validate(IReadOnlyList<VideoLora> loras)
    {
        for (int place = 0; place < loras.Count; place++)
        {
            string? fault = loras[place] switch
            {
                null => "a LoRA, got null",
                { Path: null or "" } => $"a LoRA with the {nameof(Path)} of a file or folder, got none",
                { FileOptions: null } => $"a LoRA with {nameof(FileOptions)}, got null; leave them out for the defaults",
                { Strength: var strength } => double.IsFinite(strength) ? null : $"a LoRA with a finite {nameof(Strength)}, got {strength}",
            };
            if (fault is not null)
            {
                throw new ArgumentException($"{nameof(loras)}[{place}] must be {fault}.", nameof(loras));
            }
        }
    }

    /// <summary>Mixes several LoRAs by their strengths.</summary>
    /// <param name="model">The base model that they are for.</param>
    /// <param name="loras">The LoRAs, at least one.</param>
    /// <returns>The content of one <see cref="AdapterFile"/>, and what was left out or assumed, one sentence per item.</returns>
    internal static (byte[] Content, IReadOnlyList<string> Notes) Combine(VideoDiffusionModel model, IReadOnlyList<VideoLora> loras)
    {
        var parts = new List<(LoraWeights Weights, double Strength)>();
        try
        {
            foreach (VideoLora lora in loras)
            {
                parts.Add((lora.Read(model), lora.Strength));
            }

            using LoraWeights? mixed = parts is [(_, 1)] ? null : LoraMix.Combine(parts);
            return (AdapterFile.Write(model.Denoiser, mixed ?? parts[0].Weights), [.. parts.SelectMany(part => Notes(part.Weights, "are not applied"))]);
        }
        finally
        {
            parts.ForEach(part => part.Weights.Dispose());
        }
    }

    private static string[] Notes(LoraWeights weights, string? consequence)
    {
        string? lost = consequence is null ? null : weights.Origin.DescribeNotApplied(consequence);
        return [.. weights.Origin.Assumptions, .. lost is null ? Array.Empty<string>() : [lost]];
    }

    private LoraWeights Read(VideoDiffusionModel model)
    {
        model.RequireAlive();
        if (!double.IsFinite(Strength))
        {
            throw new ArgumentException($"The strength of '{Path}' must be a finite number, got {Strength}.");
        }

        LoraWeights weights = LoraFile.Read(model.Denoiser, Path, DetectedFormat, FileOptions);
        try
        {
            weights.MatchLayers(model.Denoiser);
            return weights;
        }
        catch
        {
            weights.Dispose();
            throw;
        }
    }
}
