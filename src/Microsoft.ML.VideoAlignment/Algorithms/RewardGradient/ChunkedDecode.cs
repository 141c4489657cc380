using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Algorithms.RewardGradient;

/// <summary>
/// Decodes frames from the latents of a video's segments, scores them together, and back-propagates the loss into the latents and what made them, in chunks if
/// desired.
/// </summary>
/// <remarks>
/// In chunks, all frames get their gradient with the memory of one chunk: they are decoded without a graph and scored, then each chunk is decoded once more to
/// carry d(loss)/d(frames) on to the latents. A model's frames do not depend on which others are decoded, so both ways give the same gradient.
/// </remarks>
/// <param name="sampler">The sampler of the segments, which decodes.</param>
/// <param name="framesPerChunk">Frames decoded together with a graph; null: all.</param>
internal sealed class ChunkedDecode(SegmentSampler sampler, int? framesPerChunk)
{
    /// <summary>Scores decoded frames.</summary>
    /// <param name="decoded">Decoder output [B, 3, f, H, W], about [-1, 1].</param>
    /// <returns>Scores [B] and the loss, a scalar; both carry gradient.</returns>
    public delegate (Tensor Scores, Tensor Loss) Score(Tensor decoded);

    /// <summary>Decodes, scores and back-propagates.</summary>
    /// <param name="segments">The segments' latents, each [B, c, T, h, w] with the graph of its denoising steps.</param>
    /// <param name="frames">Frames of the whole video, ascending.</param>
    /// <param name="score">Scores the frames.</param>
    /// <param name="share">The factor on the loss before it is back-propagated.</param>
    /// <param name="penalty">A term that is added to the loss, a scalar with the graph of the same denoising steps; null: none.</param>
    /// <returns>Decoded frames, scores and loss, which may carry a graph that is spent.</returns>
    public (Tensor Decoded, Tensor Scores, Tensor Loss) Backward(
        IReadOnlyList<Tensor> segments, IReadOnlyList<int> frames, Score score, double share, Tensor? penalty = null) =>
        framesPerChunk is { } count && count < frames.Count
            ? BackwardInChunks(segments, [.. frames.Chunk(count)], score, share, penalty)
            : BackwardAtOnce(segments, frames, score, share, penalty);

    /// <summary>Decodes and scores like <see cref="Backward"/>, but does not back-propagate.</summary>
    /// <param name="segments">The segments' latents, each [B, c, T, h, w].</param>
    /// <param name="frames">Frames of the whole video, ascending.</param>
    /// <param name="score">Scores the frames.</param>
    /// <param name="penalty">A scalar that is added to the loss; null: none.</param>
    /// <returns>Decoded frames, scores and loss.</returns>
    public (Tensor Decoded, Tensor Scores, Tensor Loss) Forward(IReadOnlyList<Tensor> segments, IReadOnlyList<int> frames, Score score, Tensor? penalty = null)
    {
        Tensor decoded = framesPerChunk is { } count && count < frames.Count
            ? cat([.. frames.Chunk(count).Select(chunk => sampler.DecodeForReward(segments, chunk))], dim: 2)
            : sampler.DecodeForReward(segments, frames);
        (Tensor scores, Tensor loss) = score(decoded);
        return (decoded, scores, penalty is null ? loss : loss.Add(penalty));
    }

    private (Tensor Decoded, Tensor Scores, Tensor Loss) BackwardAtOnce(
        IReadOnlyList<Tensor> segments, IReadOnlyList<int> frames, Score score, double share, Tensor? penalty)
    {
        (Tensor decoded, Tensor scores, Tensor loss) = Forward(segments, frames, score, penalty);
        Recompute.Backward(loss.Mul(share));
        return (decoded, scores, loss);
    }

    private (Tensor Decoded, Tensor Scores, Tensor Loss) BackwardInChunks(
        IReadOnlyList<Tensor> segments, int[][] chunks, Score score, double share, Tensor? penalty)
    {
        Tensor[] leaves = [.. segments.Select(segment => segment.detach().requires_grad_(true))];
        Tensor decoded;
        using (no_grad())
        {
            decoded = cat([.. chunks.Select(chunk => sampler.DecodeForReward(leaves, chunk))], dim: 2);
        }

        decoded.requires_grad_(true);
        (Tensor scores, Tensor loss) = score(decoded);
        Recompute.Backward(loss.Mul(share));
        Tensor slope = decoded.grad ?? throw new InvalidOperationException("The loss gives the decoded frames no gradient.");
        int first = 0;
        foreach (int[] chunk in chunks)
        {
            using DisposeScope scope = NewDisposeScope();
            Recompute.Backward(sampler.DecodeForReward(leaves, chunk), slope.narrow(2, first, chunk.Length));
            first += chunk.Length;
        }

        // All at once: where a segment's graph continues into the one before, it can be back-propagated only once.
        int[] scored = [.. Enumerable.Range(0, segments.Count).Where(segment => leaves[segment].grad is not null)];
        Recompute.Backward(
            [.. scored.Select(segment => segments[segment]), .. penalty is null ? Array.Empty<Tensor>() : [penalty]],
            [.. scored.Select(segment => leaves[segment].grad!), .. penalty is null ? Array.Empty<Tensor>() : [ScalarOps.FullLike(penalty, share)]]);
        return (decoded, scores, penalty is null ? loss : loss.Add(penalty));
    }
}
