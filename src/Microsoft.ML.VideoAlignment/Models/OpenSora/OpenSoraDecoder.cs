using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Models.OpenSora;

/// <summary>Open-Sora's video autoencoder as a decoder, one temporal chunk at a time.</summary>
/// <param name="vae">The autoencoder; it belongs to this.</param>
internal sealed class OpenSoraDecoder(VideoAutoencoder vae) : IFrameDecoder
{
    /// <summary>The autoencoder.</summary>
    public VideoAutoencoder Autoencoder => vae;

    public nn.Module Network => vae;

    /// <summary>A temporal chunk, which has to be decoded whole for any of its frames.</summary>
    public int ChunkFrames => vae.Config.ChunkFrames ?? 8;

    public Tensor Decode(Tensor latents, int frames, IReadOnlyList<int>? chosen = null) => vae.Decode(latents, frames, chosen);

    /// <inheritdoc/>
    /// <remarks>VADER-Open-Sora's way: the last of a latent frame's pixel frames, out of their context.</remarks>
    public Tensor DecodeAlone(Tensor latents, IReadOnlyList<int> chosen)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor taken = FrameSelection.Select(latents, chosen);
        Tensor images = vae.Decode(taken.transpose(1, 2).flatten(0, 1).unsqueeze(2), frames: 1); // [B*f, 3, 1, H, W]
        return images.squeeze(2).unflatten(0, [latents.shape[0], chosen.Count]).transpose(1, 2).MoveToOuterDisposeScope();
    }

    public IFrameDecoder OnMeta() => new OpenSoraDecoder(new VideoAutoencoder(vae.Config, Placement.MetaLike(vae)));

    public void MoveTo(Device device) => vae.to(device);

    public void Dispose() => vae.Dispose();
}
