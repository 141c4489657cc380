using Microsoft.ML.VideoAlignment.MovingShapes.Training;
using Microsoft.ML.VideoAlignment.MovingShapes.World;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>What the detector learns from: boxes around painted figures, and which query answers for which.</summary>
public class SightingsTests
{
    /// <summary>The box of the pixels that the figure changes lies within a pixel of the one computed from its outline.</summary>
    [Test]
    public void ABoxSurroundsWhatIsPainted()
    {
        var random = new Random(5);
        for (int trial = 0; trial < 200; trial++)
        {
            ShapesVideo video = ShapesVideo.Draw(random, dull: false);
            int frame = random.Next(ShapesVideo.Frames);
            float[] pixels = new float[ShapesVideo.FrameLength];
            Array.Fill(pixels, -1);
            Painter.Paint(video.Figure, frame, pixels);
            int[] touched = [.. Enumerable.Range(0, ShapesVideo.Size * ShapesVideo.Size)
                .Where(at => pixels[at] > -0.5f || pixels[at + (ShapesVideo.Size * ShapesVideo.Size)] > -0.5f)];
            Sighting seen = Painter.Seen(video.Figure, frame);
            float[] box = [seen.Left, seen.Top, seen.Right, seen.Bottom];
            float[] painted = [touched.Min(at => at % ShapesVideo.Size), touched.Min(at => at / ShapesVideo.Size), touched.Max(at => at % ShapesVideo.Size)
                + 1, touched.Max(at => at / ShapesVideo.Size) + 1];
            Assert.That(box, Is.EqualTo(painted).Within(1.6), $"{video.Figure} at {frame}");
        }
    }

    [Test]
    public void TwoFiguresDoNotTouch()
    {
        int pairs = 0;
        var random = new Random(6);
        for (int trial = 0; trial < 100; trial++)
        {
            Sighting[] seen = Sightings.Draw(random, 2, new float[ShapesVideo.FrameLength]);
            pairs += seen.Length - 1;
            Assert.That(seen.Length == 1 || !seen[0].Touches(seen[1]));
        }

        Assert.That(pairs, Is.GreaterThan(50));
    }

    /// <summary>Boxes of side 2 one apart: a common part of 1 in a union of 7, in a hull of 9.</summary>
    [Test]
    public void OverlapOfTwoSquares()
    {
        using DisposeScope scope = NewDisposeScope();
        (Tensor plain, Tensor generalized) = BoxMatching.Overlap(tensor([1f, 1, 2, 2]), tensor([2f, 2, 2, 2]));
        Assert.That(plain.item<float>(), Is.EqualTo(1 / 7f).Within(1e-6));
        Assert.That(generalized.item<float>(), Is.EqualTo((1 / 7f) - (2 / 9f)).Within(1e-6));
        (plain, generalized) = BoxMatching.Overlap(tensor([1f, 1, 2, 2]), tensor([4f, 1, 2, 2]));
        Assert.That((plain.item<float>(), generalized.item<float>()), Is.EqualTo((0f, -0.2f)).Within(1e-6), "apart: 2 of the hull's 10 belong to neither");
    }

    /// <summary>Query 1 is nearest to both boxes; the first box can do with query 0 at less cost than the second with any other.</summary>
    [Test]
    public void TheAssignmentIsTheCheapestAltogether()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor boxes = tensor([0.30f, 0.5f, 0.2f, 0.2f, 0.40f, 0.5f, 0.2f, 0.2f, 0.05f, 0.5f, 0.1f, 0.1f], [1, 3, 4]);
        Tensor truth = tensor([0.36f, 0.5f, 0.2f, 0.2f, 0.60f, 0.5f, 0.2f, 0.2f], [1, 2, 4]);
        Tensor probabilities = full([1, 3, 3], 1 / 3f);
        Assert.That(BoxMatching.Assign(probabilities, boxes, [[0, 1]], truth)[0], Is.EqualTo(new[] { 0, 1 }));
        Assert.That(BoxMatching.Assign(probabilities, boxes, [[0]], truth)[0], Is.EqualTo(new[] { 1 }));
        Assert.That(BoxMatching.Assign(probabilities, boxes, [[]], truth)[0], Is.Empty);
    }
}
