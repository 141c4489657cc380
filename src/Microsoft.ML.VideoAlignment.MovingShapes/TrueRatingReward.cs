using Microsoft.ML.VideoAlignment.Rewards;
using Microsoft.ML.VideoAlignment.Video;

namespace Microsoft.ML.VideoAlignment.MovingShapes;

/// <summary>The true rating of MovingShapes videos, for evaluation: it declares no gradient, so that nothing is trained on the answer.</summary>
internal sealed class TrueRatingReward : ImageReward
{
    public const string Kind = "MovingShapesTrueRating";

    /// <summary>The side of a MovingShapes frame, in pixels: the only size the formula is known at.</summary>
    private const int Side = 32;

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
        Tensor images = PreprocessedFrames.Rows(frames.Frames);
        return TrueRating.OfFrames(images.shape[2] == Side && images.shape[3] == Side
            ? images
            : Resize.Apply(images, Side, Side, Interpolation.Bilinear, antialias: true));
    }
}
