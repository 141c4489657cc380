using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Models;

/// <summary>A 2D KL autoencoder, applied to each frame by itself.</summary>
/// <param name="vae">The autoencoder; it belongs to this.</param>
internal sealed class FrameByFrameDecoder(AutoencoderKL vae) : IFrameDecoder
{
    public nn.Module Network => vae;

    public int ChunkFrames => 8;

    public Tensor Decode(Tensor latents, int frames, IReadOnlyList<int>? chosen = null) => vae.DecodeFrames(latents, chosen);

    public Tensor DecodeAlone(Tensor latents, IReadOnlyList<int> chosen) => vae.DecodeFrames(latents, chosen);

    public IFrameDecoder OnMeta() => new FrameByFrameDecoder(new AutoencoderKL(vae.Config, Placement.MetaLike(vae)));

    public void MoveTo(Device device) => vae.to(device);

    public void Dispose() => vae.Dispose();
}
