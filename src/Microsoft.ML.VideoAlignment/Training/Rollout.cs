using Microsoft.ML.VideoAlignment.Pipelines;

namespace Microsoft.ML.VideoAlignment.Training;

/// <summary>Everything random or given about one micro-batch, so that the gradient itself is a pure function of it.</summary>
internal sealed record Rollout
{
    /// <summary>B prompts.</summary>
    public required IReadOnlyList<string> Prompts { get; init; }

    /// <summary>What the denoiser is told.</summary>
    public required Condition Condition { get; init; }

    /// <summary>The same of the branch to lead away from; null where guidance does not act.</summary>
    public required Condition? Unconditional { get; init; }

    /// <summary>x_0 [B, c, T, h, w].</summary>
    public required Tensor Start { get; init; }

    /// <summary>Noise of stochastic steps.</summary>
    public required StepNoise Noise { get; init; }

    /// <summary>Which steps carry gradient.</summary>
    public required GradientPlan Plan { get; init; }

    /// <summary>Frames that are decoded and scored, ascending.</summary>
    public required IReadOnlyList<int> Frames { get; init; }
}

/// <summary>What a micro-batch gave; its gradient is in the adapters. All tensors are without graph and owned by the caller.</summary>
/// <param name="Latents">Decoded latents [B, c, T, h, w].</param>
/// <param name="Decoded">Decoder output [B, 3, f, H, W], not clamped.</param>
/// <param name="Scores">[B].</param>
/// <param name="Loss">Scalar, not divided by the accumulation.</param>
internal sealed record RolloutResult(Tensor Latents, Tensor Decoded, Tensor Scores, Tensor Loss);
