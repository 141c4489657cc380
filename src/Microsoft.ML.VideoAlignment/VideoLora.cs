using Microsoft.ML.VideoAlignment.Lora;

namespace Microsoft.ML.VideoAlignment;

/// <summary>LoRA weights in a file, of any of the formats in <see cref="LoraFormat"/>: what an alignment or another trainer left behind.</summary>
/// <param name="Path">The file, or the folder of peft or diffusers that holds it.</param>
public sealed record VideoLora(string Path)
{
    /// <summary>The format; null (default): recognized from the file.</summary>
    public LoraFormat? Format { get; init; }

    /// <summary><see cref="Format"/>, or what the file is recognized as; it is looked into at each call.</summary>
    /// <exception cref="WeightFileException">It is unsound, or of no known format; the message says what was looked for.</exception>
    public LoraFormat DetectedFormat => Format ?? LoraFormatDetector.File(Path);

    /// <summary>How much of it is heard: 0 the base model, 1 (default) as trained; other finite numbers go further or the other way.</summary>
    public double Strength { get; init; } = 1;

    /// <summary>What the file does not say itself, such as the alpha of VADER's.</summary>
    public LoraFileOptions FileOptions { get; init; } = new();

    /// <summary>Writes LoRA weights in another format: whole, or not at all.</summary>
    /// <param name="model">The base model that they are for; its layers give names to formats that have none.</param>
    /// <param name="path">Where to: a folder for <see cref="LoraFormat.Peft"/>, else a file. What is there is replaced.</param>
    /// <param name="format">The format to write.</param>
    /// <param name="options">What the format needs to know; null: the defaults.</param>
    /// <returns>What was left out or taken for granted, a sentence each, such as a text encoder's tensors; empty: nothing.</returns>
    /// <exception cref="WeightFileException">The weights are unsound, no plain LoRA, or another model's; the message lists the keys that do not fit.</exception>
    /// <exception cref="NotSupportedException">The format has no place for what these weights hold (a scale, a layer); the message names one that has.</exception>
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

    /// <summary>Several as the content of one <see cref="AdapterFile"/>, and what was left out or taken for granted, a sentence each.</summary>
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
            throw new ArgumentException($"The strength of '{Path}' must be a finite number, got {Strength.ToString(System.Globalization.CultureInfo.InvariantCulture)}.");
        }

        LoraWeights weights = LoraFile.Read(model.Denoiser, Path, DetectedFormat, FileOptions);
        try
        {
            weights.Fit(model.Denoiser);
            return weights;
        }
        catch
        {
            weights.Dispose();
            throw;
        }
    }
}
