using Microsoft.ML.VideoAlignment.MovingShapes.World;

namespace Microsoft.ML.VideoAlignment.MovingShapes.Stages;

/// <summary>What can be measured of videos that begin with an image: by <see cref="ShapesJudge"/>, and by the embedded action classifier and V-JEPA.</summary>
internal sealed class VideoMeasures(string ship) : IDisposable
{
    private readonly VideoReward _action = VideoRewards.ActionClassification(Path.Combine(ship, "action"));
    private readonly VideoReward _consistency = MovingShapesRewards.TemporalConsistency();

    /// <summary>The lines of a table.</summary>
    public static IReadOnlyList<(string Meaning, Func<Result, double> Value)> Rows { get; } =
    [
        ("the image's colour (measuring judge)", result => result.Color),
        ("its shape", result => result.Shape),
        ("its background", result => result.Background),
        ("all three", result => result.All),
        ("mean square error of the first frame, pixels in [0, 1]", result => result.FirstFrame),
        ("videos that move or grow (measuring judge)", result => result.Moves),
        ("probability of the action classifier's first label", result => result.Sure),
        ("videos whose first label is the judge's", result => result.Agreed),
        ("V-JEPA", result => result.Consistency),
    ];

    /// <summary>videos: [N, 3, 8, 32, 32]; images: [N, 3, 32, 32], which they should begin with, painted from the excerpts.</summary>
    public Result Of(Tensor videos, Excerpt[] excerpts, Tensor images)
    {
        using DisposeScope scope = NewDisposeScope();
        Subject[] seen = [.. ShapesJudge.Read(videos)];
        double Share(Func<Subject, Subject, bool> same) => excerpts.Zip(seen).Average(pair => same(pair.First.Subject, pair.Second) ? 1.0 : 0);
        Tensor labels = stack([.. Attributes.Motions.Select(motion => _action.Score(videos, [.. Enumerable.Repeat(motion, excerpts.Length)]))], 1);
        (Tensor sure, Tensor label) = labels.max(1);
        long[] first = label.data<long>().ToArray();
        return new Result
        {
            Color = Share((a, b) => a.Color == b.Color),
            Shape = Share((a, b) => a.Shape == b.Shape),
            Background = Share((a, b) => a.Background == b.Background),
            All = Share((a, b) => a with { Motion = b.Motion } == b),
            Moves = seen.Average(subject => subject.Motion == Motion.Still ? 0.0 : 1),
            FirstFrame = (videos.select(2, 0) - images).square().mean().item<float>(),
            Sure = sure.mean().item<float>(),
            Agreed = seen.Zip(first).Average(pair => (long)pair.First.Motion == pair.Second ? 1.0 : 0),
            Consistency = _consistency.Score(videos, []).mean().item<float>(),
        };
    }

    public void Dispose()
    {
        _action.Dispose();
        _consistency.Dispose();
    }

    /// <summary>Shares and means over videos.</summary>
    public readonly record struct Result
    {
        public required double Color { get; init; }

        public required double Shape { get; init; }

        public required double Background { get; init; }

        public required double All { get; init; }

        public required double Moves { get; init; }

        public required double FirstFrame { get; init; }

        public required double Sure { get; init; }

        public required double Agreed { get; init; }

        public required double Consistency { get; init; }
    }
}
