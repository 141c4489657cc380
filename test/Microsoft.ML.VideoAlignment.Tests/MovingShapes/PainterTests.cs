using Microsoft.ML.VideoAlignment.MovingShapes;
using Microsoft.ML.VideoAlignment.MovingShapes.World;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>The world's arithmetic against values that an independent implementation in NumPy gave for explicit parameters.</summary>
public sealed class PainterTests
{
    private static readonly Figure[] s_figures =
    [
        new(Shape.Circle, Motion.Right, 3, 0.5f, 0.7f, 5, 15, 18, 14),
        new(Shape.Square, Motion.Up, 178, 0.9f, 0.85f, 6.5f, 16.5f, 16, 12),
        new(Shape.Triangle, Motion.Growing, 30, 0.35f, 0.6f, 7, 14, 15.5f, 0),
        new(Shape.Cross, Motion.Still, 270, 0.75f, 0.8f, 8, 17, 16, 0),
    ];

    private static readonly (float Gray, float Clutter)[] s_backdrops = [(0.12f, 0.1f), (0.85f, 0), (0.42f, 0.16f), (0.1f, 0.05f)];

    [TestCase(0, new[] { .04065f, .7f, .7f, .04507f }, new[] { 4.8692f, 5.3524f, 5.0399f })]
    [TestCase(1, new[] { .85f, .085f, .085f, .085f }, new[] { 7.9529f, 8.3316f, 7.9529f })]
    [TestCase(2, new[] { .50486f, .6f, .6f, .46468f }, new[] { 4.1942f, 4.6992f, 5.9913f })]
    [TestCase(3, new[] { .42749f, .5f, .5f, .5f }, new[] { 8.2421f, 8.2421f, 8.2421f })]
    public void PixelsAndRatings(int clip, float[] reds, float[] ratings)
    {
        ShapesVideo video = VideoOf(clip);
        float[] pixels = new float[ShapesVideo.FrameLength];
        Painter.Paint(video, 3, pixels);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(new[] { 8, 12, 16, 20 }.Select(x => pixels[(16 * 32) + x]), Is.EqualTo(reds).Within(1e-5f));
            using Tensor frames = Painter.PaintFrames([(video, 0), (video, 3), (video, 7)]);
            using Tensor rating = TrueRating.Rate(frames);
            Assert.That(rating.data<float>().ToArray(), Is.EqualTo(ratings).Within(1e-4f));
        }
    }

    [Test]
    public void PartsOfTheRating()
    {
        using DisposeScope scope = NewDisposeScope();
        TrueRating.Parts parts = TrueRating.Measure(Painter.PaintFrames([(VideoOf(0), 3)]));
        float[] values = [.. new[] { parts.Vividness, parts.Size, parts.Cleanness, parts.Position, parts.Area }.Select(part => part.item<float>())];
        Assert.That(values, Is.EqualTo(new[] { .3889f, .0982f, .9064f, .8825f, .0781f }).Within(1e-4f));
    }

    [Test]
    public void AGrayFrameHasARating()
    {
        using Tensor frames = full([1, 3, 32, 32], 0.5f);
        using Tensor rating = TrueRating.Rate(frames);
        Assert.That(rating.item<float>(), Is.EqualTo(2.8038f).Within(1e-3f)); // 1 + 9 (.2 exp(-6.25) + .2 + .1 exp(-8))
    }

    private static ShapesVideo VideoOf(int clip)
    {
        float[] field = [.. Enumerable.Range(9 * clip, 9).Select(i => -1 + (2f * i / 35))];
        return new ShapesVideo(default, default, s_figures[clip], new Backdrop(s_backdrops[clip].Gray, s_backdrops[clip].Clutter, field));
    }
}
