using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.MovingShapes.World;

/// <summary>
/// What videos of several segments keep of the image that they begin with, and how they go over the joints: measured from the pixels, by no network.
/// </summary>
/// <remarks>
/// A joint lies between the last frame of a segment and the first of the next; within segments frames follow each other as the model makes them.
/// </remarks>
internal sealed record LongVideoMeasures
{
    private const float Least = 1e-6f;

    /// <summary>Share of the videos whose figure has the image's shape, segment by segment.</summary>
    public required IReadOnlyList<double> Shape { get; init; }

    /// <summary>Share of the videos whose figure has the image's color, segment by segment.</summary>
    public required IReadOnlyList<double> Color { get; init; }

    /// <summary>Share of the videos whose background is the image's, segment by segment.</summary>
    public required IReadOnlyList<double> Background { get; init; }

    /// <summary>Mean absolute difference of consecutive frames within segments, pixels in [0, 1].</summary>
    public required double MotionEnergy { get; init; }

    /// <summary>
    /// The same difference over the joints, in units of that within segments: 0 where a frame is shown twice, 1 where the video simply goes on.
    /// </summary>
    public required double JointChange { get; init; }

    /// <summary>How far a frame's mean red, green and blue lie from the frame's before it, mean over channels: over the joints less within segments.</summary>
    public required double JointColorStep { get; init; }

    /// <summary>How far a segment's mean red, green and blue lie from the first segment's, mean over channels and later segments; 0 for one segment.</summary>
    public required double Drift { get; init; }

    /// <summary>
    /// Root mean square of the difference of neighboring pixels' luma, both ways: an edge counts more than the slope that blur makes of it.
    /// </summary>
    public required double Sharpness { get; init; }

    /// <summary>Measures videos.</summary>
    /// <param name="videos">[N, 3, S * 8, 32, 32], RGB in [0, 1].</param>
    /// <param name="subjects">N: what the images show that the videos begin with.</param>
    public static LongVideoMeasures Of(Tensor videos, IReadOnlyList<Subject> subjects)
    {
        using DisposeScope scope = NewDisposeScope();
        const int Frames = ShapesVideo.Frames;
        int segments = (int)(videos.shape[2] / Frames);
        Subject[][] seen = [.. Enumerable.Range(0, segments)
            .Select(segment => ShapesJudge.Read(videos.narrow(2, segment * Frames, Frames).contiguous()).ToArray())];
        Tensor change = videos.diff(dim: 2).abs().mean([1, 3, 4]);
        Tensor means = videos.mean([3, 4]);
        Tensor color = means.diff(dim: 2).abs().mean([1]);
        double within = Mean(change, joints: false);
        return new LongVideoMeasures
        {
            Shape = Shares((truth, found) => truth.Shape == found.Shape),
            Color = Shares((truth, found) => truth.Color == found.Color),
            Background = Shares((truth, found) => truth.Background == found.Background),
            MotionEnergy = within,
            JointChange = segments > 1 ? Mean(change, joints: true) / Math.Max(within, Least) : 1,
            JointColorStep = segments > 1 ? Mean(color, joints: true) - Mean(color, joints: false) : 0,
            Drift = segments > 1 ? DriftOf(means, segments) : 0,
            Sharpness = SharpnessOf(videos),
        };

        double[] Shares(Func<Subject, Subject, bool> same) =>
            [.. seen.Select(segment => subjects.Zip(segment).Average(pair => same(pair.First, pair.Second) ? 1.0 : 0))];

        // steps: [N, T - 1], of which every eighth is a joint.
        double Mean(Tensor steps, bool joints)
        {
            long[] places = [.. Enumerable.Range(0, (int)steps.shape[1]).Where(step => (step % Frames == Frames - 1) == joints).Select(step => (long)step)];
            return steps.index_select(1, tensor(places)).mean().item<float>();
        }
    }

    // means: [N, 3, T].
    private static double DriftOf(Tensor means, int segments)
    {
        Tensor each = means.unflatten(2, [segments, ShapesVideo.Frames]).mean([3]);
        return Ops.Subtract(each.narrow(2, 1, segments - 1), each.narrow(2, 0, 1)).abs().mean().item<float>();
    }

    private static double SharpnessOf(Tensor videos)
    {
        Tensor luma = (videos * tensor([0.299f, 0.587f, 0.114f]).view(1, 3, 1, 1, 1)).sum([1]);
        return Math.Sqrt(luma.diff(dim: 2).square().mean().item<float>() + luma.diff(dim: 3).square().mean().item<float>());
    }
}
