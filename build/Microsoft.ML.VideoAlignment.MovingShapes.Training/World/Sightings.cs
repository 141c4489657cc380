using Microsoft.ML.VideoAlignment.MovingShapes.Training;

namespace Microsoft.ML.VideoAlignment.MovingShapes.World;

/// <summary>A figure in a frame: its shape and the box around what the frame shows of it, in pixels.</summary>
internal readonly record struct Sighting(Shape Shape, float Left, float Top, float Right, float Bottom)
{
    /// <summary>Center x, center y, width, height as parts of the frame.</summary>
    public float[] Box =>
        [(Left + Right) / 2 / ShapesVideo.Size, (Top + Bottom) / 2 / ShapesVideo.Size, (Right - Left) / ShapesVideo.Size, (Bottom - Top) / ShapesVideo.Size];

    public bool Touches(Sighting other) => Left < other.Right && other.Left < Right && Top < other.Bottom && other.Top < Bottom;
}

/// <summary>Frames with no, one or two figures whose boxes are known, for the detector.</summary>
internal static class Sightings
{
    private const int Attempts = 10;

    /// <summary>One frame of a rated video with this many figures; of two the second may be left out where there is no room for it.</summary>
    public static Sighting[] Draw(Random random, int figures, Span<float> pixels)
    {
        ShapesVideo video = ShapesVideo.Draw(random, dull: false);
        int frame = random.Next(ShapesVideo.Frames);
        Painter.Paint(video.Backdrop, pixels);
        if (figures == 0)
        {
            return [];
        }

        Painter.Paint(video.Figure, frame, pixels);
        Sighting first = Painter.Seen(video.Figure, frame);
        for (int attempt = 0; figures == 2 && attempt < Attempts; attempt++)
        {
            Figure other = ShapesVideo.Draw(random, dull: false).Figure with
            {
                Motion = Motion.Still,
                CenterX = 5 + (22 * random.NextSingle()),
                CenterY = 5
                + (22 * random.NextSingle())
            };
            Sighting second = Painter.Seen(other, 0);
            if (!second.Touches(first))
            {
                Painter.Paint(other, 0, pixels);
                return [first, second];
            }
        }

        return [first];
    }

    /// <summary>Frames [N, 3, 32, 32] as <see cref="RatedFrames"/> softens them, and what each shows; figures: how many the next frame has.</summary>
    public static (Sighting[][] Seen, Tensor Frames) Draw(int stream, int step, int count, double noise, Func<Random, int> figures)
    {
        using DisposeScope scope = NewDisposeScope();
        Random random = StepRandom.Numbers(stream, step);
        float[] pixels = new float[count * ShapesVideo.FrameLength];
        Sighting[][] seen = new Sighting[count][];
        for (int i = 0; i < count; i++)
        {
            seen[i] = Draw(random, figures(random), pixels.AsSpan(i * ShapesVideo.FrameLength, ShapesVideo.FrameLength));
        }

        Tensor frames = RatedFrames.Soften(tensor(pixels, [count, 3, ShapesVideo.Size, ShapesVideo.Size]), random);
        return (seen, RatedFrames.Disturb(frames, noise, stream, step).MoveToOuterDisposeScope());
    }
}
