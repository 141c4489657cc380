namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>The encoder of T5, whichever way its weights are held.</summary>
internal interface IT5Encoder : IDisposable
{
    T5Config Config { get; }

    /// <summary>ids: int64 [B, L] -> [B, L, D], after the last norm, on the device of the weights.</summary>
    /// <remarks>
    /// <paramref name="attentionMask"/>: [B, L], 0 on padding, which no token then looks at (rows of padding are computed like any other); null: padding takes part.
    /// </remarks>
    Tensor Encode(Tensor ids, Tensor? attentionMask);

    /// <summary>Where the weights are computed with; the states come from there.</summary>
    void MoveTo(Device device);
}
