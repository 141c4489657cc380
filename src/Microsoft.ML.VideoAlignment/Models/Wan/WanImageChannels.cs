using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Models.Wan;

/// <summary>
/// What an image-to-video transformer is given behind its latents: a mask of the frames that are known, and the latents of a video that is gray elsewhere.
/// Reference: diffusers, <c>WanImageToVideoPipeline.prepare_latents</c>.
/// </summary>
internal static class WanImageChannels
{
    // Bounds the encoder's memory and does not change the latents.
    private const int LatentsAtOnce = 1;

    /// <summary>Encodes images that a video begins with.</summary>
    /// <param name="vae">The autoencoder.</param>
    /// <param name="first">[B, 3, H, W], RGB in [0, 1].</param>
    /// <returns>Latents of one frame, standardized [B, z, 1, h, w].</returns>
    public static Tensor Encode(WanVae vae, Tensor first)
    {
        using DisposeScope scope = NewDisposeScope();
        return Latents(vae, Signed(first)).MoveToOuterDisposeScope();
    }

    /// <summary>Encodes videos of which the first frame is known, or the first and the last.</summary>
    /// <param name="vae">The autoencoder.</param>
    /// <param name="ends">The first frames, and where they are known the last [B, 3, H, W], RGB in [0, 1].</param>
    /// <param name="frames">Frames of the videos.</param>
    /// <returns>Mask channels, then latents [B, f + z, T', h, w], f the frames for each latent.</returns>
    /// <exception cref="ArgumentException">A video of one frame is given two.</exception>
    public static Tensor Encode(WanVae vae, IReadOnlyList<Tensor> ends, int frames)
    {
        if (ends.Count > frames)
        {
            throw new ArgumentException($"A video of {frames} frame cannot begin and end with images of its own. Give it one image, or ask for more frames.");
        }

        using DisposeScope scope = NewDisposeScope();
        long[] shape = ends[0].shape;
        Tensor gray = zeros([shape[0], shape[1], frames - ends.Count, shape[2], shape[3]], ends[0].dtype, ends[0].device);
        Tensor latents = Latents(vae, cat([Signed(ends[0]), gray, .. ends.Skip(1).Select(Signed)], dim: 2));
        Tensor mask = Mask(vae.Config, frames, ends.Count > 1, latents).expand(shape[0], -1, -1, latents.shape[3], latents.shape[4]);
        return cat([mask, latents], dim: 1).MoveToOuterDisposeScope();
    }

    // [1, f, T', 1, 1]: channel j of latent frame i tells of frame f i + j - (f - 1); those in front of the video are its first.
    private static Tensor Mask(WanVaeConfig vae, int frames, bool last, Tensor like)
    {
        int factor = vae.TimeFactor, latents = vae.LatentFrames(frames);
        IEnumerable<double> known = Enumerable.Range(0, factor).SelectMany(_ => Enumerable.Range(0, latents), (channel, latent) =>
            Math.Max(0, (factor * latent) + channel - (factor - 1)) is var frame && (frame == 0 || (last && frame == frames - 1)) ? 1.0 : 0.0);
        return DeviceTable.Create([.. known], like.device, like.dtype).view(1, factor, latents, 1, 1);
    }

    // The posterior's mode.
    private static Tensor Latents(WanVae vae, Tensor video) => vae.Standardize(vae.Encode(video, LatentsAtOnce).Mean);

    // [B, 3, H, W] in [0, 1] -> [B, 3, 1, H, W] in [-1, 1].
    private static Tensor Signed(Tensor image) => image.Mul(2).Sub(1).unsqueeze(2);
}
