using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Schedulers;

namespace Microsoft.ML.VideoAlignment.Models.OpenSora;

/// <summary>Any size that fills a latent: what does not fill one is left out. Where times move with the size, a video has at least a chunk's frames.</summary>
/// <param name="vae">The autoencoder's configuration.</param>
/// <param name="flow">The schedule.</param>
internal sealed class OpenSoraVideoSizes(VideoAutoencoderConfig vae, RectifiedFlow flow) : IVideoSizes
{
    /// <summary>VADER's training command: 2 seconds at 240p, 3:4.</summary>
    public VideoSize Default { get; } = new(
        OpenSoraSizes.FrameCount("2s"), OpenSoraSizes.ImageSize("240p", "3:4").Height, OpenSoraSizes.ImageSize("240p", "3:4").Width);

    public int Multiple => 1;

    public string? Fault(VideoSize size)
    {
        const string Family = VideoModelFamily.OpenSora;
        var faults = new List<string>();
        if (flow.ShiftsTimesteps && size.Frames is > 1 and < RectifiedFlow.ChunkFrames)
        {
            faults.Add($"{nameof(size.Frames)} must be 1 or at least {RectifiedFlow.ChunkFrames} for an {Family} model, got {size.Frames}; try "
                + $"{RectifiedFlow.NearestFrames(size.Frames)}.");
        }

        int least = vae.SpatialFactor;
        if (Math.Min(size.Height, size.Width) < least)
        {
            faults.Add($"{nameof(size.Height)} and {nameof(size.Width)} must be at least {least} for an {Family} model, got {size.Height} and {size.Width}; "
                + $"try {Math.Max(least, size.Height)} and {Math.Max(least, size.Width)}.");
        }

        return faults.Count == 0 ? null : string.Join(' ', faults);
    }

    public VideoSize Output(VideoSize size) =>
        size with { Height = size.Height / vae.SpatialFactor * vae.SpatialFactor, Width = size.Width / vae.SpatialFactor * vae.SpatialFactor };
}
