using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Sampling;

/// <summary>Latents to frames.</summary>
internal interface IFrameDecoder : IDisposable
{
    /// <summary>The autoencoder; it belongs to this.</summary>
    nn.Module Network { get; }

    /// <summary>How many frames of a finished video are decoded at a time, which bounds the decoder's memory.</summary>
    int ChunkFrames { get; }

    /// <summary>
    /// Decodes frames of a video. A frame is the same whichever others are asked for: a decoder that looks at neighbors decodes them too and leaves them out.
    /// </summary>
    /// <param name="latents">[B, c, T, h, w].</param>
    /// <param name="frames">Frames of the whole video.</param>
    /// <param name="chosen">The frames to decode, f of them; null: all.</param>
    /// <returns>[B, 3, f, H, W], about [-1, 1], not clamped.</returns>
    Tensor Decode(Tensor latents, int frames, IReadOnlyList<int>? chosen = null);

    /// <summary>
    /// Decodes one image for each chosen latent frame, as if it were a video of its own; where frames are decoded one by one it is what <see cref="Decode"/>
    /// gives.
    /// </summary>
    /// <param name="latents">[B, c, T', h, w].</param>
    /// <param name="chosen">Latent frames, f of them.</param>
    /// <returns>[B, 3, f, H, W], about [-1, 1], not clamped.</returns>
    Tensor DecodeAlone(Tensor latents, IReadOnlyList<int> chosen);

    /// <summary>Makes a decoder of the same shapes without memory (<see cref="MetaOps"/>).</summary>
    IFrameDecoder OnMeta();

    /// <summary>Moves the autoencoder.</summary>
    /// <param name="device">Where to.</param>
    void MoveTo(Device device);
}
