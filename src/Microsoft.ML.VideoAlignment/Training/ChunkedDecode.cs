using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Training;

/// <summary>
/// From the latents of a video's clips to a loss and back: decodes frames, has them scored together, and brings the loss's gradient to the latents and what
/// made them. In chunks, all frames get their gradient at the memory of one chunk: they are decoded without a graph and scored, then each chunk is decoded
/// once more to carry d(loss)/d(frames) on to the latents. A model's frames do not depend on which others are asked for, so both ways give one gradient.
/// </summary>
/// <param name="chain">Decodes.</param>
/// <param name="framesPerChunk">Frames decoded together with a graph; null: all.</param>
internal sealed class ChunkedDecode(SegmentSampler chain, int? framesPerChunk)
{
    /// <summary>Scores of decoder output [B, 3, f, H, W], about [-1, 1] -> [B], and the loss, a scalar; both carry gradient.</summary>
    public delegate (Tensor Scores, Tensor Loss) Score(Tensor decoded);

    /// <summary>
    /// Runs and back-propagates. clips: each [B, c, T, h, w] with the graph of its denoising steps; frames: of the whole video, ascending. What comes back may
    /// carry a graph that is spent.
    /// </summary>
    /// <remarks>
    /// <paramref name="share"/>: what the loss is multiplied by before it is back-propagated. <paramref name="penalty"/>: what is added to the loss, a scalar
    /// with the graph of the same denoising steps; null: nothing.
    /// </remarks>
    public (Tensor Decoded, Tensor Scores, Tensor Loss) Backward(IReadOnlyList<Tensor> segments, IReadOnlyList<int> frames, Score score, double share, Tensor? penalty = null) =>
        framesPerChunk is { } count && count < frames.Count
            ? BackwardInChunks(segments, [.. frames.Chunk(count)], score, share, penalty)
            : BackwardAtOnce(segments, frames, score, share, penalty);

    /// <summary>As <see cref="Backward"/> without its last act: nothing is back-propagated.</summary>
    public (Tensor Decoded, Tensor Scores, Tensor Loss) Forward(IReadOnlyList<Tensor> segments, IReadOnlyList<int> frames, Score score, Tensor? penalty = null)
    {
        Tensor decoded = framesPerChunk is { } count && count < frames.Count
            ? cat([.. frames.Chunk(count).Select(chunk => chain.DecodeForReward(segments, chunk))], dim: 2)
            : chain.DecodeForReward(segments, frames);
        (Tensor scores, Tensor loss) = score(decoded);
        return (decoded, scores, penalty is null ? loss : loss.Add(penalty));
    }

    private (Tensor Decoded, Tensor Scores, Tensor Loss) BackwardAtOnce(IReadOnlyList<Tensor> segments, IReadOnlyList<int> frames, Score score, double share, Tensor? penalty)
    {
        (Tensor decoded, Tensor scores, Tensor loss) = Forward(segments, frames, score, penalty);
        Recompute.Backward(loss.Mul(share));
        return (decoded, scores, loss);
    }

    private (Tensor Decoded, Tensor Scores, Tensor Loss) BackwardInChunks(IReadOnlyList<Tensor> segments, int[][] chunks, Score score, double share, Tensor? penalty)
    {
        Tensor[] leaves = [.. segments.Select(segment => segment.detach().requires_grad_(true))];
        Tensor decoded;
        using (no_grad())
        {
            decoded = cat([.. chunks.Select(chunk => chain.DecodeForReward(leaves, chunk))], dim: 2);
        }

        decoded.requires_grad_(true);
        (Tensor scores, Tensor loss) = score(decoded);
        Recompute.Backward(loss.Mul(share));
        Tensor slope = decoded.grad ?? throw new InvalidOperationException("The loss gives the decoded frames no gradient.");
        int first = 0;
        foreach (int[] chunk in chunks)
        {
            using DisposeScope scope = NewDisposeScope();
            Recompute.Backward(chain.DecodeForReward(leaves, chunk), slope.narrow(2, first, chunk.Length));
            first += chunk.Length;
        }

        // All at once: where a clip's graph goes on into the one before, it can be walked only once.
        int[] scored = [.. Enumerable.Range(0, segments.Count).Where(segment => leaves[segment].grad is not null)];
        Recompute.Backward(
            [.. scored.Select(segment => segments[segment]), .. penalty is null ? Array.Empty<Tensor>() : [penalty]],
            [.. scored.Select(segment => leaves[segment].grad!), .. penalty is null ? Array.Empty<Tensor>() : [ScalarOps.FullLike(penalty, share)]]);
        return (decoded, scores, penalty is null ? loss : loss.Add(penalty));
    }
}
