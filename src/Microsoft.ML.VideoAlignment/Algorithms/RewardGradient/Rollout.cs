using Microsoft.ML.VideoAlignment.Sampling;

namespace Microsoft.ML.VideoAlignment.Algorithms.RewardGradient;

/// <summary>Everything random or given about one micro-batch of B videos, so that the gradient itself is a pure function of it.</summary>
internal sealed record Rollout
{
    /// <summary>B prompts, as the reward reads them.</summary>
    public required IReadOnlyList<string> Prompts { get; init; }

    /// <summary>The first segment, in most videos the only one.</summary>
    public required SegmentInputs First { get; init; }

    /// <summary>
    /// Builders of the further segments, each from the image [B, 3, H, W] that the segment begins with; the image carries gradient where the run carries it
    /// across segments.
    /// </summary>
    public IReadOnlyList<Func<Tensor, SegmentInputs>> Later { get; init; } = [];

    /// <summary>Noise of each further copy of the finished latents that carries gradient (DRaFT-LV): [B, c, T, h, w], standard normal.</summary>
    public IReadOnlyList<Func<Tensor>> Copies { get; init; } = [];

    /// <summary>Frames of the whole video that are decoded and scored, ascending.</summary>
    public required IReadOnlyList<int> Frames { get; init; }

    /// <summary>Gets the inputs of a segment.</summary>
    /// <param name="segment">The segment's number, from 0.</param>
    /// <param name="image">The image [B, 3, H, W] that a later segment begins with; not read for the first, which may have its own.</param>
    public SegmentInputs Begin(int segment, Tensor? image) => segment > 0 ? Later[segment - 1](image!) : First;
}

/// <summary>The results of a micro-batch; its gradient is in the adapters. All tensors are without graph and owned by the caller.</summary>
/// <param name="Latents">Finished latents [B, c, T, h, w], those of a video's segments one after another.</param>
/// <param name="Decoded">Decoder output [B, 3, f, H, W] of the f scored frames, about [-1, 1], not clamped.</param>
/// <param name="Scores">Scores [B].</param>
/// <param name="Loss">The loss, a scalar, not divided by the accumulation.</param>
internal sealed record RolloutResult(Tensor Latents, Tensor Decoded, Tensor Scores, Tensor Loss);
