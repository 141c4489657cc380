using Microsoft.ML.VideoAlignment.MovingShapes.World;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.VideoAlignment.Paper;

/// <summary>The numbers of long videos by name: V-JEPA, which is trained on, and what is measured from the pixels.</summary>
internal static class LongVideoScores
{
    public const string Kept = "shape, color and background kept in the last segment", MotionEnergy = "motion energy", JointChange = "change at the joints",
        JointColorStep = "color step at the joints", Drift = "drift from the first segment", Sharpness = "sharpness";

    /// <summary>The measures in the order of tables.</summary>
    /// <param name="segments">Segments of a video.</param>
    public static IReadOnlyList<string> Names(int segments) =>
    [
        PaperRewards.Consistency,
        .. Enumerable.Range(1, segments).SelectMany(segment => new[] { Shape(segment), Color(segment), Background(segment) }),
        Kept, MotionEnergy, JointChange, JointColorStep, Drift, Sharpness,
    ];

    public static string Shape(int segment) => FormattableString.Invariant($"shape, segment {segment}");

    public static string Color(int segment) => FormattableString.Invariant($"color, segment {segment}");

    public static string Background(int segment) => FormattableString.Invariant($"background, segment {segment}");

    /// <summary>Measures videos.</summary>
    /// <param name="videos">N videos [T, 3, H, W], RGB in [0, 1].</param>
    /// <param name="subjects">N: what their images show.</param>
    /// <param name="size">Of the videos.</param>
    public static IReadOnlyDictionary<string, double> Of(IReadOnlyList<float[]> videos, IReadOnlyList<Subject> subjects, VideoSize size)
    {
        using IDisposable guard = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor all = tensor((float[])[.. videos.SelectMany(video => video)], [videos.Count, size.Frames, 3, size.Height, size.Width])
            .transpose(1, 2).contiguous();
        LongVideoMeasures measures = LongVideoMeasures.Of(all, subjects);
        var scores = new Dictionary<string, double> { [PaperRewards.Consistency] = ConsistencyOf(all) };
        for (int segment = 1; segment <= measures.Shape.Count; segment++)
        {
            scores[Shape(segment)] = measures.Shape[segment - 1];
            scores[Color(segment)] = measures.Color[segment - 1];
            scores[Background(segment)] = measures.Background[segment - 1];
        }

        scores[Kept] = (measures.Shape[^1] + measures.Color[^1] + measures.Background[^1]) / 3;
        scores[MotionEnergy] = measures.MotionEnergy;
        scores[JointChange] = measures.JointChange;
        scores[JointColorStep] = measures.JointColorStep;
        scores[Drift] = measures.Drift;
        scores[Sharpness] = measures.Sharpness;
        return scores.ToDictionary(pair => pair.Key, pair => Math.Round(pair.Value, 6));
    }

    // As training sees them: windows of consecutive frames, the joints as well.
    private static double ConsistencyOf(Tensor videos)
    {
        using VideoReward reward = PaperRewards.Open(PaperRewards.Consistency);
        return FirstFrames.Windows.FindWindows((int)videos.shape[2])!
            .Average(window => reward.Score(videos.narrow(2, window[0], window.Length).contiguous(), []).mean().ToDouble());
    }
}
