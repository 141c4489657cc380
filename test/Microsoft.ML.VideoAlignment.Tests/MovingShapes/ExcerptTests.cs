using Microsoft.ML.VideoAlignment.MovingShapes.World;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>What the image-to-video model learns from: clips of videos that begin anywhere.</summary>
public class ExcerptTests
{
    [Test]
    public void AnExcerptOfACaptionedVideoIsThatVideo()
    {
        var random = new Random(3);
        ShapesVideo[] videos = [.. Enumerable.Range(0, 60).Select(i => ShapesVideo.Draw(random, dull: i % 2 == 0))];
        Excerpt[] excerpts = [.. videos.Select(video => Excerpt.BeginningOf(video))];
        using Tensor painted = Painter.PaintVideos(videos);
        using Tensor seen = Excerpt.PaintVideos(excerpts);
        using Tensor first = Excerpt.PaintFirst(excerpts);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(videos.Select(video => video.Subject.Motion).Distinct().Count(), Is.EqualTo(6));
            Assert.That((seen - painted).abs().max().item<float>(), Is.LessThan(1e-4));
            Assert.That((first - painted.select(2, 0)).abs().max().item<float>(), Is.LessThan(1e-4));
        }
    }

    /// <summary>The bucket is pixels a second: with more frames a second, a bucket's clip of eight frames travels less.</summary>
    [TestCase(1, 7, 127)]
    [TestCase(0.5f, 7, 64)]
    [TestCase(0.5f, 10, 91)]
    [TestCase(0, 5, 0)]
    public void TheBucketTellsTheSpeed(float pace, int rate, int bucket) =>
        Assert.That(new Excerpt(default, default, default, pace, rate).MotionBucket, Is.EqualTo(bucket));

    [Test]
    public void FiguresStayInSight()
    {
        var random = new Random(4);
        Excerpt[] excerpts = [.. Enumerable.Range(0, 2000).Select(_ => Excerpt.Draw(random))];
        Figure[] last = [.. excerpts.Select(excerpt => excerpt.At(ShapesVideo.Frames - 1))];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(last.Average(figure => InSight(figure.CenterX) && InSight(figure.CenterY) ? 1.0 : 0), Is.GreaterThan(0.97));
            Assert.That(last.Max(figure => figure.Radius), Is.LessThan(12));
            Assert.That(excerpts.GroupBy(excerpt => excerpt.Subject.Motion).Select(group => group.Count()), Has.All.GreaterThan(50).And.Exactly(6).Items,
                "growing is rare");
            Assert.That(excerpts.Where(excerpt => excerpt.Pace == 0).Select(excerpt => excerpt.Subject.Motion), Has.All.EqualTo(Motion.Still));
        }

        static bool InSight(float center) => center is > 0 and < ShapesVideo.Size;
    }
}
