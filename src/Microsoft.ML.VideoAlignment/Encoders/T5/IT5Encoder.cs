namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>The encoder of T5, with its weights in memory or streamed from files.</summary>
internal interface IT5Encoder : IDisposable
{
    T5Config Config { get; }

    /// <summary>Encodes tokens.</summary>
    /// <param name="ids">int64 [B, L].</param>
    /// <param name="attentionMask">[B, L], 0 on padding, which no token then attends to (rows of padding are computed like any other); null: padding is
    /// attended to like any token.</param>
    /// <returns>[B, L, D], after the last norm, on the device of the weights.</returns>
    Tensor Encode(Tensor ids, Tensor? attentionMask);

    /// <summary>Sets the device on which the encoder computes and returns its states.</summary>
    /// <param name="device">The device.</param>
    void MoveTo(Device device);
}
