using Microsoft.ML.VideoAlignment.Lora;

namespace Microsoft.ML.VideoAlignment;

/// <summary>What a file of LoRA weights does not say itself.</summary>
public sealed record LoraFileOptions
{
    private readonly double? _alpha;

    /// <summary>Vader: prefix before the module path; null: one of the two prefixes that VADER's scripts make.</summary>
    public string? Prefix { get; init; }

    /// <summary>Vader: the alpha of the training (default 8: peft's default, which VADER's scripts keep).</summary>
    public double Alpha
    {
        get => _alpha ?? LoraAdapters.DefaultAlpha;
        init => _alpha = value;
    }

    /// <summary>Whether <see cref="Alpha"/> was set rather than left at the default.</summary>
    internal bool AlphaIsStated => _alpha is not null;

    /// <summary>Cloneofsimo: reference classes whose layers are adapted (VADER's ModelScope script: the whole network).</summary>
    public IReadOnlyList<string> TargetClasses { get; init; } = ["UNet3DConditionModel"];
}
