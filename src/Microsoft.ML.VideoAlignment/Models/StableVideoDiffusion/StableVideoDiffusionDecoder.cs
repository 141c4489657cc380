using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Models.StableVideoDiffusion;

/// <summary>
/// A decoder that looks along time, within parts of <see cref="FramesPerDecode"/> frames of one video; parts without a chosen frame are not decoded.
/// </summary>
/// <param name="vae">The autoencoder; it belongs to this.</param>
internal sealed class StableVideoDiffusionDecoder(AutoencoderKLTemporalDecoder vae) : IFrameDecoder
{
    /// <summary>
    /// Frames that the decoder sees as one video, which decides pixels near the borders between such parts; null: all. Default: 8, as the reference's
    /// documentation has it for memory's sake.
    /// </summary>
    public int? FramesPerDecode { get; set; } = 8;

    public nn.Module Network => vae;

    public int ChunkFrames => 8;

    public Tensor Decode(Tensor latents, int frames, IReadOnlyList<int>? chosen = null)
    {
        using DisposeScope scope = NewDisposeScope();
        int together = FramesPerDecode ?? frames;
        int[] wanted = chosen is null ? [.. Enumerable.Range(0, frames)] : [.. chosen];
        int[] made = [.. wanted.Select(frame => frame / together).Distinct().Order()
            .SelectMany(part => Enumerable.Range(part * together, Math.Min(together, frames - (part * together))))];
        Tensor[] taken = [.. made.GroupBy(frame => frame / together).Select(part => latents.narrow(2, part.First(), part.Count()))];
        Tensor[] parts = [.. taken.Select(part => taken.Length > 1 && Recompute.TileBytes is not null
            ? Recompute.Run(inputs => DecodePart(inputs[0]), part)
            : DecodePart(part))];
        Tensor decoded = parts.Length == 1 ? parts[0] : cat(parts, dim: 2);
        if (!made.SequenceEqual(wanted))
        {
            decoded = FrameSelection.Select(decoded, wanted.Select(frame => Array.IndexOf(made, frame)));
        }

        return decoded.MoveToOuterDisposeScope();
    }

    public Tensor DecodeAlone(Tensor latents, IReadOnlyList<int> chosen) => Decode(latents, (int)latents.shape[2], chosen);

    public IFrameDecoder OnMeta() =>
        new StableVideoDiffusionDecoder(new AutoencoderKLTemporalDecoder(vae.Config, Placement.MetaLike(vae))) { FramesPerDecode = FramesPerDecode };

    public void MoveTo(Device device) => vae.to(device);

    public void Dispose() => vae.Dispose();

    // Decodes one video: [B, z, f, h, w] -> [B, 3, f, H, W].
    private Tensor DecodePart(Tensor latents)
    {
        using DisposeScope scope = NewDisposeScope();
        (long batch, long frames) = (latents.shape[0], latents.shape[2]);
        Tensor rows = latents.permute(0, 2, 1, 3, 4).flatten(0, 1).Div(vae.ScalingFactor); // [B*f, z, h, w]
        return vae.Decode(rows, frames).unflatten(0, [batch, frames]).permute(0, 2, 1, 3, 4).MoveToOuterDisposeScope();
    }
}
