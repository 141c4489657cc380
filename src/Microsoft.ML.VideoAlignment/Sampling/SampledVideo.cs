namespace Microsoft.ML.VideoAlignment.Sampling;

/// <summary>What videos a model makes under sampling settings.</summary>
internal static class SampledVideo
{
    /// <summary>Gives the size of a whole video.</summary>
    /// <param name="settings">The settings.</param>
    /// <param name="model">The model that makes it.</param>
    public static VideoSize VideoSize(this SamplingSettings settings, VideoDiffusionModel model) =>
        model.OutputSize(settings.Size) with { Frames = settings.VideoFrames };

    /// <summary>Counts the frames of a video that a training step chooses from.</summary>
    /// <param name="settings">The settings.</param>
    /// <param name="model">The model that makes it.</param>
    public static int RewardFrameCount(this SamplingSettings settings, VideoDiffusionModel model) =>
        settings.SegmentCount * (settings.RewardLatentFrames ? (int)model.LatentShape(1, settings.Size)[2] : settings.Size.Frames);
}
