namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>Token ids of a batch of texts. The caller owns the tensors.</summary>
/// <param name="Ids">int64 [B, L] on the CPU: start, tokens, end, padding.</param>
/// <param name="AttentionMask">int64 [B, L]: 0 on padding, else 1. Diffusion models do not use it.</param>
/// <param name="CutTokens">By row, how many tokens of the text did not fit.</param>
internal sealed record TokenBatch(Tensor Ids, Tensor AttentionMask, IReadOnlyList<int> CutTokens) : IDisposable
{
    public void Dispose()
    {
        Ids.Dispose();
        AttentionMask.Dispose();
    }
}
