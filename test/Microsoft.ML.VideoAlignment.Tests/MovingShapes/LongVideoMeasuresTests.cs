using Microsoft.ML.VideoAlignment.MovingShapes.Training;
using Microsoft.ML.VideoAlignment.MovingShapes.World;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>On painted videos, of which is known what they keep.</summary>
public class LongVideoMeasuresTests
{
    private const int Videos = 12, Segments = 3, Frames = Segments * ShapesVideo.Frames;

    /// <summary>A figure that moves on evenly, slowly enough to stay in the image.</summary>
    private static Excerpt[] Excerpts()
    {
        Random random = StepRandom.Numbers(901, 0);
        return [.. Enumerable.Range(0, Videos).Select(i =>
        {
            ShapesVideo video = ShapesVideo.Draw(random, dull: false);
            Figure first = video.Figure with { CenterX = 11, CenterY = 16, Radius = 6 };
            return new Excerpt(video.Subject with { Motion = Motion.Right }, first, video.Backdrop, Pace: 0.2f, Excerpt.UsualRate);
        })];
    }

    [Test]
    public void AVideoThatSimplyGoesOnKeepsAll()
    {
        using DisposeScope scope = NewDisposeScope();
        LongVideoMeasures measures = Measure(Paint(Excerpts(), frame => frame));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(measures.Shape, Is.EqualTo(new[] { 1.0, 1, 1 }));
            Assert.That(measures.Color, Is.All.EqualTo(1));
            Assert.That(measures.Background, Is.All.EqualTo(1));
            Assert.That(measures.JointChange, Is.EqualTo(1).Within(0.1));
            Assert.That(measures.JointColorStep, Is.Zero.Within(1e-3));
            Assert.That(measures.Drift, Is.Zero.Within(5e-3));
            Assert.That(measures.MotionEnergy, Is.GreaterThan(1e-3));
        }
    }

    [Test]
    public void AFrameThatIsShownTwiceHasNoChange()
    {
        using DisposeScope scope = NewDisposeScope();
        LongVideoMeasures measures = Measure(Paint(Excerpts(), frame => frame - (frame / ShapesVideo.Frames)));
        Assert.That(measures.JointChange, Is.Zero);
    }

    [Test]
    public void AVideoThatStandsStillHasNoMotion()
    {
        using DisposeScope scope = NewDisposeScope();
        LongVideoMeasures measures = Measure(Paint(Excerpts(), _ => 0));
        Assert.That((measures.MotionEnergy, measures.JointChange, measures.Drift), Is.EqualTo((0.0, 0.0, 0.0)));
    }

    /// <summary>The second segment on is of a figure of the next shape, on a lighter backdrop.</summary>
    [Test]
    public void WhatChangesIsSeenInItsSegments()
    {
        using DisposeScope scope = NewDisposeScope();
        Excerpt[] excerpts = Excerpts();
        Excerpt[] others = [.. excerpts.Select(excerpt =>
        {
            var shape = (Shape)(((int)excerpt.Subject.Shape + 1) % Attributes.Shapes.Count);
            return excerpt with { First = excerpt.First with { Shape = shape }, Backdrop = excerpt.Backdrop with { Gray = excerpt.Backdrop.Gray + 0.1f } };
        })];
        Tensor videos = cat(
            [Paint(excerpts, frame => frame).narrow(2, 0, ShapesVideo.Frames), Paint(others, frame => frame).narrow(2, 8, 2 * ShapesVideo.Frames)], 2);
        LongVideoMeasures measures = Measure(videos);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(measures.Shape, Is.EqualTo(new[] { 1.0, 0, 0 }));
            Assert.That(measures.Color, Is.All.EqualTo(1));
            Assert.That(measures.JointChange, Is.GreaterThan(1.5));
            Assert.That(measures.JointColorStep, Is.GreaterThan(0.03));
            Assert.That(measures.Drift, Is.GreaterThan(0.05));
        }
    }

    [Test]
    public void BlurTakesSharpnessAway()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor videos = Paint(Excerpts(), frame => frame);
        Tensor blurred = nn.functional.avg_pool3d(videos, [1, 3, 3], [1, 1, 1], [0, 1, 1], count_include_pad: false);
        Assert.That(Measure(blurred).Sharpness, Is.LessThan(0.9 * Measure(videos).Sharpness));
    }

    private static LongVideoMeasures Measure(Tensor videos) => LongVideoMeasures.Of(videos, [.. Excerpts().Select(excerpt => excerpt.Subject)]);

    private static Tensor Paint(Excerpt[] excerpts, Func<int, int> frameAt)
    {
        float[] pixels = new float[excerpts.Length * Frames * ShapesVideo.FrameLength];
        for (int i = 0; i < excerpts.Length * Frames; i++)
        {
            excerpts[i / Frames].Paint(frameAt(i % Frames), pixels.AsSpan(i * ShapesVideo.FrameLength, ShapesVideo.FrameLength));
        }

        return tensor(pixels, [excerpts.Length, Frames, 3, ShapesVideo.Size, ShapesVideo.Size]).transpose(1, 2).contiguous();
    }
}
