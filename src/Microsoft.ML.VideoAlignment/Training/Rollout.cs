using Microsoft.ML.VideoAlignment.Sampling;

namespace Microsoft.ML.VideoAlignment.Training;

/// <summary>Everything random or given about one micro-batch, so that the gradient itself is a pure function of it.</summary>
internal sealed record Rollout
{
    /// <summary>B prompts, as the reward reads them.</summary>
    public required IReadOnlyList<string> Prompts { get; init; }

    /// <summary>The first clip, and for a video the only one.</summary>
    public required SegmentInputs First { get; init; }

    /// <summary>
    /// The further clips of a video: for each what makes it ready from the image [B, 3, H, W] that it begins with, which carries gradient where the run hands
    /// it on.
    /// </summary>
    public IReadOnlyList<Func<Tensor, SegmentInputs>> Later { get; init; } = [];

    /// <summary>Noise of each further copy of the finished latents that is graded (DRaFT-LV): [B, c, T, h, w], standard normal.</summary>
    public IReadOnlyList<Func<Tensor>> Copies { get; init; } = [];

    /// <summary>Frames of the whole video that are decoded and scored, ascending.</summary>
    public required IReadOnlyList<int> Frames { get; init; }

    /// <summary>The clip of this index. <paramref name="image"/>: see <see cref="Later"/>; the first clip has its own.</summary>
    public SegmentInputs Begin(int segment, Tensor? image) => segment > 0 ? Later[segment - 1](image!) : First;
}

/// <summary>What a micro-batch gave; its gradient is in the adapters. All tensors are without graph and owned by the caller.</summary>
/// <param name="Latents">Decoded latents [B, c, T, h, w], those of a video's clips one after another.</param>
/// <param name="Decoded">Decoder output [B, 3, f, H, W], not clamped.</param>
/// <param name="Scores">[B].</param>
/// <param name="Loss">Scalar, not divided by the accumulation.</param>
internal sealed record RolloutResult(Tensor Latents, Tensor Decoded, Tensor Scores, Tensor Loss);
