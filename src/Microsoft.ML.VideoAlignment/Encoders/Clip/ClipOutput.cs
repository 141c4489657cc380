namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>The output of a CLIP tower for a batch; fresh tensors that the caller owns.</summary>
/// <param name="LastHiddenState">[B, L, D]. Text: after final_layer_norm. Vision: the class token, then the patches row by row, as the last layer returns them,
/// not normalized.</param>
/// <param name="Pooled">[B, D]. Text: the end token's row. Vision: post_layernorm of the class token.</param>
/// <param name="Embedding">[B, P]: the projection of <paramref name="Pooled"/>, not l2-normalized; null where the file has no projection.</param>
/// <param name="HiddenStates">The input of the first layer and the output of every layer, none normalized afterwards; empty unless requested.</param>
internal sealed record ClipOutput(Tensor LastHiddenState, Tensor Pooled, Tensor? Embedding, IReadOnlyList<Tensor> HiddenStates) : IDisposable
{
    public void Dispose()
    {
        LastHiddenState.Dispose();
        Pooled.Dispose();
        Embedding?.Dispose();
        foreach (Tensor state in HiddenStates)
        {
            state.Dispose();
        }
    }
}
