namespace Microsoft.ML.VideoAlignment.MLNet;

/// <summary>How a training run ended.</summary>
internal sealed record AlignmentOutcome
{
    /// <summary>The trained adapters, as the content of an <see cref="Lora.AdapterFile"/>.</summary>
    public required byte[] Adapters { get; init; }

    /// <summary>Optimizer steps done; fewer than asked for after a cancellation or an early stop.</summary>
    public required int Steps { get; init; }

    /// <summary>The step whose adapters these are, where the best were kept; null: the last.</summary>
    public required int? KeptStep { get; init; }

    /// <summary>Whether the run ended because the validation reward had stopped improving.</summary>
    public required bool StoppedEarly { get; init; }

    /// <summary>Videos scored, those of validation included.</summary>
    public required long RewardQueries { get; init; }

    /// <summary>Denoiser evaluations, counted as in <see cref="VideoAlignmentProgress.DenoiserEvaluations"/>.</summary>
    public required long DenoiserEvaluations { get; init; }
}
