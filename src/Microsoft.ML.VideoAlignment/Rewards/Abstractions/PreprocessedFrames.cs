using Microsoft.ML.VideoAlignment.Rewards;

namespace Microsoft.ML.VideoAlignment;

/// <summary>
/// The frames of one call of a reward, and the images that its parts made of them, each made once. The call's dispose scope owns the tensors.
/// </summary>
public sealed class PreprocessedFrames
{
    private readonly Dictionary<FramePreprocessing, Tensor> _images = [];

    /// <summary>The frames of a call, before anything was made of them.</summary>
    /// <param name="frames">[B, 3, T, H, W], RGB in [0, 1]; the caller's.</param>
    /// <param name="use">What the scores are for.</param>
    internal PreprocessedFrames(Tensor frames, ScoreUse use = ScoreUse.Scoring) => (Frames, Use) = (frames, use);

    /// <summary>[B, 3, T, H, W], RGB in [0, 1]. They belong to the caller: not to be disposed or changed in place.</summary>
    public Tensor Frames { get; }

    /// <summary>B, the number of videos.</summary>
    public long Batch => Frames.shape[0];

    /// <summary>T, the number of frames of a video.</summary>
    public long Count => Frames.shape[2];

    /// <summary>What the scores are for.</summary>
    internal ScoreUse Use { get; }

    /// <summary>Receives the score [B] of each part of a sum by its name, before weights; null: not wanted.</summary>
    internal IDictionary<string, Tensor>? PartScores { get; init; }

    /// <summary>How many different images were made: 1 where all parts agree.</summary>
    internal int ImageSets => _images.Count;

    /// <summary>Makes images of the frames, or returns those that a part of the sum has made.</summary>
    /// <param name="preprocessing">What the network wants.</param>
    /// <returns>[B*T, 3, height, width], row b * T + t is frame t of video b. Shared: not to be disposed or changed in place.</returns>
    /// <exception cref="RewardContractException">A part of the sum has disposed the images.</exception>
    public Tensor Images(FramePreprocessing preprocessing)
    {
        ArgumentNullException.ThrowIfNull(preprocessing);
        if (!_images.TryGetValue(preprocessing, out Tensor? images))
        {
            // Small floats would lose in the resize what they have; a network in float64 is a test's.
            using Tensor rows = ToImages(Frames);
            using Tensor wide = rows.to_type(rows.dtype == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32);
            _images[preprocessing] = images = preprocessing.Apply(wide);
        }

        return !images.IsInvalid ? images : throw new RewardContractException(
            "A part of this sum of rewards disposed the preprocessed images, which the parts share. They belong to the call; dispose only tensors "
                + "that the reward made.");
    }

    /// <summary>Turns frames into images.</summary>
    /// <param name="frames">[B, 3, T, H, W].</param>
    /// <returns>[B*T, 3, H, W].</returns>
    internal static Tensor ToImages(Tensor frames)
    {
        using Tensor moved = frames.permute(0, 2, 1, 3, 4);
        return moved.flatten(0, 1);
    }
}
