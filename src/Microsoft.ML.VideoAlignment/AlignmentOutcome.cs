namespace Microsoft.ML.VideoAlignment;

/// <summary>How a training run ended.</summary>
internal sealed record AlignmentOutcome
{
    /// <summary>Content of an <see cref="Lora.AdapterFile"/>.</summary>
    public required byte[] Adapters { get; init; }

    /// <summary>Optimiser steps done; fewer than asked for after a cancellation or an early stop.</summary>
    public required int Steps { get; init; }

    /// <summary>The step whose adapters these are, where the best were kept; null: the last.</summary>
    public required int? KeptStep { get; init; }

    /// <summary>Whether the held-out reward had stopped getting better.</summary>
    public required bool StoppedEarly { get; init; }

    /// <summary>Videos scored, held-out ones included.</summary>
    public required long RewardQueries { get; init; }

    /// <summary>See <see cref="VideoAlignmentProgress.DenoiserEvaluations"/>.</summary>
    public required long DenoiserEvaluations { get; init; }
}
