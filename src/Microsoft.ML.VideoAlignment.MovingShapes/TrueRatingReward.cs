using Microsoft.ML.VideoAlignment.Video;

namespace Microsoft.ML.VideoAlignment.MovingShapes;

/// <summary>The true rating of MovingShapes videos, for evaluation. It declares no gradient, so that nothing is trained on the answer.</summary>
internal sealed class TrueRatingReward : ImageReward
{
    public const string Kind = "MovingShapesTrueRating";

    // The only size that the formula is known at, in pixels.
    private const int Side = MovingShapesSettings.FrameSize;

    public override string Name => "true rating";

    public override RewardContract Contract { get; } = new()
    {
        IsDifferentiable = false,
        WorkingSize = (Side, Side),
        Resizing = "stretched, bilinear with antialias",
        ScoreRange = (1, 10),
    };

    protected internal override SavedReward Save() => new(Kind);

    public override void MoveTo(Device device)
    {
        // A formula: it runs where the frames are.
    }

    protected override Tensor ImageScores(PreprocessedFrames frames, IReadOnlyList<string> prompts)
    {
        Tensor images = PreprocessedFrames.ToImages(frames.Frames);
        return TrueRating.Rate(images.shape[2] == Side && images.shape[3] == Side
            ? images
            : Resize.Apply(images, Side, Side, Interpolation.Bilinear, antialias: true));
    }
}
