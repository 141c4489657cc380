namespace Microsoft.ML.VideoAlignment.Rewards;

/// <summary>The frames of one call of a reward, and the images that its parts made of them, each made once. The call's dispose scope owns the tensors.</summary>
/// <param name="frames">[B, 3, T, H, W], RGB in [0, 1]; the caller's.</param>
/// <param name="use">What the scores are for.</param>
internal sealed class PreprocessedFrames(Tensor frames, ScoreUse use = ScoreUse.Scoring)
{
    private readonly Dictionary<FramePreprocessing, Tensor> _images = [];

    /// <summary>[B, 3, T, H, W], RGB in [0, 1]; the caller's.</summary>
    public Tensor Frames { get; } = frames;

    /// <summary>What the scores are for.</summary>
    public ScoreUse Use { get; } = use;

    public long Batch => Frames.shape[0];

    public long Count => Frames.shape[2];

    /// <summary>How many different images were made: 1 where all parts agree.</summary>
    public int Kinds => _images.Count;

    /// <summary>[B*T, 3, height, width], row b * T + t is frame t of video b. Owned by this object; not to be disposed.</summary>
    public Tensor Images(FramePreprocessing preprocessing)
    {
        if (!_images.TryGetValue(preprocessing, out Tensor? images))
        {
            // Small floats would lose in the resize what they have; a network in float64 is a test's.
            using Tensor rows = Rows(Frames);
            using Tensor wide = rows.to_type(rows.dtype == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32);
            _images[preprocessing] = images = preprocessing.Apply(wide);
        }

        return images;
    }

    /// <summary>Frames as images: [B, 3, T, H, W] -> [B*T, 3, H, W].</summary>
    public static Tensor Rows(Tensor frames)
    {
        using Tensor moved = frames.permute(0, 2, 1, 3, 4);
        return moved.flatten(0, 1);
    }
}
