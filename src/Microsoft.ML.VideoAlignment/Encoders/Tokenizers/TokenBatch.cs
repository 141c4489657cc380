namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>Token ids of a batch of texts. The caller owns the tensors.</summary>
/// <param name="Ids">int64 [B, L] on the CPU: start, tokens, end, padding.</param>
/// <param name="AttentionMask">int64 [B, L]: 0 on padding, else 1. Diffusion models do not use it.</param>
/// <param name="CutTokens">The number of tokens that did not fit, by row.</param>
internal sealed record TokenBatch(Tensor Ids, Tensor AttentionMask, IReadOnlyList<int> CutTokens) : IDisposable
{
    /// <summary>Checks that a text encoder has an embedding for every id, and returns this batch.</summary>
    /// <param name="rows">The number of embeddings.</param>
    /// <param name="texts">The encoded texts, for the message.</param>
    /// <exception cref="InvalidDataException">An id has no embedding; this batch is disposed.</exception>
    public TokenBatch RequireBelow(long rows, IReadOnlyList<string> texts)
    {
        long[] ids = Ids.data<long>().ToArray();
        int bad = Array.FindIndex(ids, id => id < 0 || id >= rows);
        if (bad < 0)
        {
            return this;
        }

        string text = texts[bad / (ids.Length / texts.Count)];
        Dispose();
        throw new InvalidDataException(
            $"The text '{text}' has a token with the id {ids[bad]}, and the text encoder has embeddings for 0 to {rows - 1}. The tokenizer's files name a "
            + "token that this encoder was not taught: pass the files that belong to its weights, or omit the token from the text.");
    }

    public void Dispose()
    {
        Ids.Dispose();
        AttentionMask.Dispose();
    }
}
