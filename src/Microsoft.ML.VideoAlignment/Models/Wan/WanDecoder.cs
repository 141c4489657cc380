using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Models.Wan;

/// <summary>
/// Wan's autoencoder as a decoder. All frames are decoded in segments one after another; of few frames close together only what they depend on is.
/// </summary>
/// <param name="vae">The autoencoder; it belongs to this.</param>
internal sealed class WanDecoder(WanVae vae) : IFrameDecoder
{
    /// <summary>The autoencoder.</summary>
    public WanVae Autoencoder => vae;

    /// <summary>Latent frames that are decoded at a time, which bounds memory and does not change the frames. Default: 1, which takes the least.</summary>
    public int LatentsAtOnce { get; set; } = 1;

    /// <summary>Tiles that are decoded alone and blended, which changes pixels near their seams; null: none.</summary>
    public WanVaeTiling? Tiling { get; set; }

    public nn.Module Network => vae;

    /// <summary>All: segments bound the memory, and frames that are asked for later would be decoded from the first one again.</summary>
    public int ChunkFrames => int.MaxValue;

    public Tensor Decode(Tensor latents, int frames, IReadOnlyList<int>? chosen = null)
    {
        int expected = vae.Config.LatentFrames(frames);
        if (latents.shape[2] != expected)
        {
            throw new ArgumentException($"A video of {frames} frames has {expected} latent frames; got {Shapes.Describe(latents)}.", nameof(latents));
        }

        using DisposeScope scope = NewDisposeScope();
        Tensor z = vae.Destandardize(latents);
        int[] wanted = chosen is null ? [.. Enumerable.Range(0, frames)] : [.. chosen];
        int needed = vae.Config.LatentFrames(RoundedUp(wanted.Max() + 1)), first = wanted.Min(), last = vae.Config.Frames(needed) - 1;
        Tensor prefix = z.narrow(2, 0, needed);
        bool few = Tiling is null && last + 1 - first <= LatentsAtOnce * vae.Config.TimeFactor;
        Tensor decoded = few ? vae.DecodeLast(prefix, last + 1 - first)
            : Tiling is { } tiling ? vae.DecodeTiled(prefix, tiling, LatentsAtOnce)
            : vae.Decode(prefix, LatentsAtOnce);
        int start = few ? first : 0;
        bool all = wanted.SequenceEqual(Enumerable.Range(start, (int)decoded.shape[2]));
        return (all ? decoded : FrameSelection.Select(decoded, wanted.Select(frame => frame - start))).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    /// <remarks>The image of a latent frame as the first of a video, out of its context.</remarks>
    public Tensor DecodeAlone(Tensor latents, IReadOnlyList<int> chosen)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor taken = FrameSelection.Select(latents, chosen);
        Tensor images = Decode(taken.transpose(1, 2).flatten(0, 1).unsqueeze(2), frames: 1); // [B*f, 3, 1, H, W]
        return images.squeeze(2).unflatten(0, [latents.shape[0], chosen.Count]).transpose(1, 2).MoveToOuterDisposeScope();
    }

    public IFrameDecoder OnMeta() => new WanDecoder(new WanVae(vae.Config, Placement.MetaLike(vae))) { LatentsAtOnce = LatentsAtOnce, Tiling = Tiling };

    public void MoveTo(Device device) => vae.to(device);

    public void Dispose() => vae.Dispose();

    // The next number of frames that is 1 more than a multiple of the factor in time.
    private long RoundedUp(int frames)
    {
        int factor = vae.Config.TimeFactor;
        return ((frames - 1 + factor - 1) / factor * factor) + 1;
    }
}
