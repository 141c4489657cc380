namespace Microsoft.ML.VideoAlignment.MovingShapes.World;

/// <summary>One painted thing: hue in degrees, saturation and value in [0, 1], radius, center and travel in pixels.</summary>
internal readonly record struct Figure(
    Shape Shape, Motion Motion, float Hue, float Saturation, float Value, float Radius, float CenterX, float CenterY, float Travel);

/// <summary>A background: a gray with <see cref="Clutter"/> times a smooth field of 3 x 3 values in [-1, 1], constant over time.</summary>
internal readonly record struct Backdrop(float Gray, float Clutter, float[] Field);

/// <summary>Everything a video of the world is made of.</summary>
internal readonly record struct ShapesVideo(Subject Subject, Quality Quality, Figure Figure, Backdrop Backdrop)
{
    public const int Frames = 8;

    public const int Size = 32;

    /// <summary>Length of one frame [3, 32, 32].</summary>
    public const int FrameLength = 3 * Size * Size;

    /// <summary>A video of any subject. Dull: each quality is the lesser of two uniform draws (mean 1/3); otherwise one uniform draw.</summary>
    public static ShapesVideo Draw(Random random, bool dull)
    {
        var subject = new Subject(
            random.Next(Attributes.Colors.Count), (Shape)random.Next(Attributes.Shapes.Count), (Motion)random.Next(Attributes.Motions.Count),
                random.Next(Attributes.Backgrounds.Count));
        var quality = new Quality(Level(random, dull), Level(random, dull), Level(random, dull));
        return Draw(random, subject, quality);
    }

    /// <summary>A video of a given subject and quality; the rest is drawn.</summary>
    public static ShapesVideo Draw(Random random, Subject subject, Quality quality)
    {
        float hue = Attributes.Hues[subject.Color] + Around(random, 6);
        float saturation = 0.30f + (0.70f * quality.Vividness);
        float value = 0.60f + (0.30f * quality.Vividness) + Around(random, 0.05f);
        float radius = 4.5f + (4 * quality.Size) + Around(random, 0.3f);
        (float offsetX, float offsetY) = (Around(random, 5), Around(random, 5));
        if (subject.Motion is Motion.Left or Motion.Right)
        {
            offsetX *= 0.4f;
        }
        else if (subject.Motion is Motion.Up or Motion.Down)
        {
            offsetY *= 0.4f;
        }

        float travel = 12 + (4 * random.NextSingle());
        var figure = new Figure(subject.Shape, subject.Motion, hue, saturation, value, radius, 16 + offsetX, 16 + offsetY, travel);
        float gray = Attributes.Grays[subject.Background] + Around(random, 0.05f);
        float[] field = [.. Enumerable.Range(0, 9).Select(_ => Around(random, 1))];
        return new ShapesVideo(subject, quality, figure, new Backdrop(gray, 0.16f * (1 - quality.Cleanness), field));
    }

    private static float Level(Random random, bool dull)
    {
        float level = random.NextSingle();
        return dull ? Math.Min(level, random.NextSingle()) : level;
    }

    private static float Around(Random random, float width) => width * ((2 * random.NextSingle()) - 1);
}
