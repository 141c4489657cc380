using Microsoft.ML.VideoAlignment.MovingShapes.World;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>The measuring judge must agree with what painted videos really show, dull ones too.</summary>
public sealed class ShapesJudgeTests
{
    [TestCase(true)]
    [TestCase(false)]
    public void ReadsPaintedVideos(bool dull)
    {
        var random = new Random(11);
        List<ShapesVideo> videos = [.. Enumerable.Range(0, 300).Select(_ => ShapesVideo.Draw(random, dull))];
        using Tensor frames = Painter.PaintVideos(videos);
        IReadOnlyList<Subject> read = ShapesJudge.Read(frames);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Share((a, b) => a.Color == b.Color), Is.GreaterThan(0.99), "color");
            Assert.That(Share((a, b) => a.Shape == b.Shape), Is.GreaterThan(0.97), "shape");
            Assert.That(Share((a, b) => a.Motion == b.Motion), Is.GreaterThan(0.99), "motion");
            Assert.That(Share((a, b) => a.Background == b.Background), Is.GreaterThan(0.99), "background");
        }

        double Share(Func<Subject, Subject, bool> same) => videos.Zip(read).Average(pair => same(pair.First.Subject, pair.Second) ? 1.0 : 0.0);
    }
}
