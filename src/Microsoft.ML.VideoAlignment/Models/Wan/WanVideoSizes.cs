using Microsoft.ML.VideoAlignment.Sampling;

namespace Microsoft.ML.VideoAlignment.Models.Wan;

/// <summary>Frames that are 1 more than a multiple of what a latent stands for, and sides of whole patches of latents.</summary>
/// <remarks>The reference drops the frames and pixels that are over, with a warning or without.</remarks>
internal sealed class WanVideoSizes : IVideoSizes
{
    private readonly WanVaeConfig _vae;
    private readonly MultipleSizes _sides;

    /// <summary>Makes the rules.</summary>
    /// <param name="family">The family's name, for messages.</param>
    /// <param name="usual">The size that the model was trained at.</param>
    /// <param name="vae">The autoencoder.</param>
    /// <param name="patch">Latent frames, rows and columns of a token.</param>
    public WanVideoSizes(string family, VideoSize usual, WanVaeConfig vae, (long Frames, long Rows, long Columns) patch)
    {
        _vae = vae;
        long latents = patch.Rows == patch.Columns ? patch.Rows : patch.Rows * patch.Columns;
        _sides = new MultipleSizes(family, usual, checked((int)(vae.SpatialFactor * latents)));
    }

    public VideoSize Default => _sides.Default;

    public int Multiple => _sides.Multiple;

    public string? Fault(VideoSize size)
    {
        string? frames = size.Frames < 1 || (size.Frames - 1) % _vae.TimeFactor == 0 ? null
            : $"{nameof(size.Frames)} must be 1 more than a multiple of {_vae.TimeFactor} for a {_sides.Family} model, got {size.Frames}; "
                + $"try {_vae.NearestFrames(size.Frames)}.";
        string[] faults = [.. new[] { frames, _sides.Fault(size) }.OfType<string>()];
        return faults.Length == 0 ? null : string.Join(' ', faults);
    }

    public VideoSize Output(VideoSize size) => size;
}
