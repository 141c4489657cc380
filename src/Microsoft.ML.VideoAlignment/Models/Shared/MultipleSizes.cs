using Microsoft.ML.VideoAlignment.Sampling;

namespace Microsoft.ML.VideoAlignment.Models;

/// <summary>Any number of frames, of sides that are multiples of a number of pixels.</summary>
/// <param name="Family">The family's name, for messages.</param>
/// <param name="Default">The size that the model was trained at.</param>
/// <param name="Multiple">Pixels that both sides must be multiples of.</param>
internal sealed record MultipleSizes(string Family, VideoSize Default, int Multiple) : IVideoSizes
{
    public string? Fault(VideoSize size)
    {
        if (size.Frames < 1)
        {
            return $"{nameof(size.Frames)} must be at least 1, got {size.Frames}; {Family} was trained at {Default.Frames}.";
        }

        string[] faults = [.. new[] { (size.Height, nameof(size.Height)), (size.Width, nameof(size.Width)) }
            .Where(side => side.Item1 % Multiple != 0)
            .Select(side => $"{side.Item2} must be a multiple of {Multiple} for a {Family} model, got {side.Item1}; "
                + $"try {Math.Max(Multiple, side.Item1 / Multiple * Multiple)}.")];
        return faults.Length == 0 ? null : string.Join(' ', faults);
    }

    public VideoSize Output(VideoSize size) => size;
}
