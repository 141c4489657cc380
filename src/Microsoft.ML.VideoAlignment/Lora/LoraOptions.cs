using Microsoft.ML.VideoAlignment.Files;
using Microsoft.ML.VideoAlignment.Lora;

namespace Microsoft.ML.VideoAlignment;

/// <summary>Which layers are adapted, and how (LoRA, Hu et al. 2021, arXiv 2106.09685).</summary>
public sealed record LoraOptions
{
    /// <summary>Rank r of the LoRA matrices, at least 1; 16 by default (VADER's training scripts).</summary>
    public int Rank { get; init; } = 16;

    /// <summary>LoRA's alpha: adapters are scaled by alpha / r. Above 0; 8 by default (peft's default, which VADER leaves).</summary>
    public double Alpha { get; init; } = 8;

    /// <summary>Which layers get adapters; <see cref="LoraLayers.All"/> by default (VADER's ModelScope script).</summary>
    public LoraLayers Layers { get; init; }

    /// <summary>
    /// A regular expression over the denoiser's layer names that chooses layers instead of <see cref="Layers"/>, such as ".*attn2\.to_(k|v)"; null
    /// (default): none. It must match whole names, and a pattern that matches nothing is an error.
    /// </summary>
    public string? Pattern { get; init; }

    /// <summary>Gets the layers to adapt.</summary>
    /// <param name="vocabulary">The family's names of layers.</param>
    internal LoraTargets TargetsFor(LoraVocabulary vocabulary) => Pattern is not null ? LoraTargets.ByPattern(Pattern) : Layers switch
    {
        LoraLayers.AttentionQkv => vocabulary.AttentionQkv,
        LoraLayers.AttentionQkvOut => vocabulary.AttentionQkvOut,
        _ => LoraTargets.AllLayers,
    };

    /// <summary>Lists what is wrong with the options, one sentence each.</summary>
    internal IReadOnlyList<string> Faults()
    {
        var faults = new OptionFaults("Lora");
        faults.Require(Rank >= 1, Rank, "at least 1");
        faults.Require(Alpha > 0 && double.IsFinite(Alpha), Alpha, "above 0");
        faults.Require(Enum.IsDefined(Layers), Layers, "one of the names of the enumeration");
        return faults.All;
    }
}
