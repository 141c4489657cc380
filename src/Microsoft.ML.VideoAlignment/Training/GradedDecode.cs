using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Training;

/// <summary>
/// From latents to a loss and back: decodes frames, has them scored, and brings the loss's gradient to the latents and what made them. In chunks, all
/// frames get their gradient at the memory of one chunk: they are decoded without a graph and scored, then each chunk is decoded once more to carry
/// d(loss)/d(frames) on to the latents. A model's frames do not depend on which others are asked for, so both ways give one gradient.
/// </summary>
/// <param name="model">Decodes.</param>
/// <param name="videoFrames">Frames of the whole video.</param>
/// <param name="framesPerChunk">Frames decoded together with a graph; null: all.</param>
internal sealed class GradedDecode(VideoDiffusionModel model, int videoFrames, int? framesPerChunk)
{
    /// <summary>Scores of decoder output [B, 3, f, H, W], about [-1, 1] -> [B], and the loss, a scalar; both carry gradient.</summary>
    public delegate (Tensor Scores, Tensor Loss) Score(Tensor decoded);

    /// <summary>
    /// Runs and back-propagates. latents: [B, c, T, h, w] with the graph of the denoising steps; frames: ascending. What comes back may carry a graph that
    /// is spent.
    /// </summary>
    /// <remarks>
    /// <paramref name="share"/>: what the loss is multiplied by before it is back-propagated.
    /// </remarks>
    public (Tensor Decoded, Tensor Scores, Tensor Loss) Backward(Tensor latents, IReadOnlyList<int> frames, Score score, double share) =>
        framesPerChunk is { } count && count < frames.Count
            ? InChunks(latents, [.. frames.Chunk(count)], score, share)
            : AtOnce(latents, frames, score, share);

    private (Tensor Decoded, Tensor Scores, Tensor Loss) AtOnce(Tensor latents, IReadOnlyList<int> frames, Score score, double share)
    {
        Tensor decoded = model.DecodeForReward(latents, videoFrames, frames);
        (Tensor scores, Tensor loss) = score(decoded);
        Recompute.Backward(loss * share);
        return (decoded, scores, loss);
    }

    private (Tensor Decoded, Tensor Scores, Tensor Loss) InChunks(Tensor latents, int[][] chunks, Score score, double share)
    {
        Tensor leaf = latents.detach().requires_grad_(true);
        Tensor decoded;
        using (no_grad())
        {
            decoded = cat([.. chunks.Select(chunk => model.DecodeForReward(leaf, videoFrames, chunk))], dim: 2);
        }

        decoded.requires_grad_(true);
        (Tensor scores, Tensor loss) = score(decoded);
        Recompute.Backward(loss * share);
        Tensor slope = decoded.grad ?? throw new InvalidOperationException("The loss gives the decoded frames no gradient.");
        int first = 0;
        foreach (int[] chunk in chunks)
        {
            using DisposeScope scope = NewDisposeScope();
            Recompute.Backward(model.DecodeForReward(leaf, videoFrames, chunk), slope.narrow(2, first, chunk.Length));
            first += chunk.Length;
        }

        Recompute.Backward(latents, leaf.grad!);
        return (decoded, scores, loss);
    }
}
