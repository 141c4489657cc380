using Microsoft.ML.VideoAlignment.MovingShapes.Training;

namespace Microsoft.ML.VideoAlignment.MovingShapes.World;

/// <summary>A figure in a frame: its shape and the box around what the frame shows of it, in pixels.</summary>
internal readonly record struct Sighting(Shape Shape, float Left, float Top, float Right, float Bottom)
{
    /// <summary>Centre x, centre y, width, height as parts of the frame.</summary>
    public float[] Box => [(Left + Right) / 2 / Film.Size, (Top + Bottom) / 2 / Film.Size, (Right - Left) / Film.Size, (Bottom - Top) / Film.Size];

    public bool Touches(Sighting other) => Left < other.Right && other.Left < Right && Top < other.Bottom && other.Top < Bottom;
}

/// <summary>Frames with no, one or two figures whose boxes are known, for the detector.</summary>
internal static class Sightings
{
    private const int Attempts = 10;

    /// <summary>One frame of a rated film with this many figures; of two the second may be left out where there is no room for it.</summary>
    public static Sighting[] Draw(Random random, int figures, Span<float> pixels)
    {
        Film film = Film.Draw(random, dull: false);
        int frame = random.Next(Film.Frames);
        Painter.Paint(film.Backdrop, pixels);
        if (figures == 0)
        {
            return [];
        }

        Painter.Paint(film.Figure, frame, pixels);
        Sighting first = Painter.Seen(film.Figure, frame);
        for (int attempt = 0; figures == 2 && attempt < Attempts; attempt++)
        {
            Figure other = Film.Draw(random, dull: false).Figure with { Motion = Motion.Still, CentreX = 5 + (22 * random.NextSingle()), CentreY = 5 + (22 * random.NextSingle()) };
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
        float[] pixels = new float[count * Film.FrameLength];
        Sighting[][] seen = new Sighting[count][];
        for (int i = 0; i < count; i++)
        {
            seen[i] = Draw(random, figures(random), pixels.AsSpan(i * Film.FrameLength, Film.FrameLength));
        }

        Tensor frames = RatedFrames.Soften(tensor(pixels, [count, 3, Film.Size, Film.Size]), random);
        return (seen, RatedFrames.Disturb(frames, noise, stream, step).MoveToOuterDisposeScope());
    }
}
