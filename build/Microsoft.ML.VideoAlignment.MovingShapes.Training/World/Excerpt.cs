namespace Microsoft.ML.VideoAlignment.MovingShapes.World;

/// <summary>
/// Eight frames out of a longer video: a figure that is anywhere and of any size at the first frame and moves on from there. A figure hardly ever leaves the
/// image: towards a near border it rarely moves, and what is large does not grow (which leaves few that do: 4 in 100). So a video can go on from the last frame
/// of another.
/// </summary>
/// <param name="Subject">What it shows.</param>
/// <param name="First">The figure as it is at the first frame; its <see cref="Figure.Motion"/> and <see cref="Figure.Travel"/> are not used.</param>
/// <param name="Backdrop">Behind it.</param>
/// <param name="Pace">How far it moves within the clip, where 1 is <see cref="FullTravel"/> pixels, or growth by <see cref="FullGrowth"/>; 0: still.</param>
/// <param name="FramesPerSecond">How close the frames follow each other.</param>
internal readonly record struct Excerpt(Subject Subject, Figure First, Backdrop Backdrop, float Pace, int FramesPerSecond)
{
    /// <summary>Motion bucket and frames per second at which a clip has pace 1: what the pipeline assumes where it is told nothing.</summary>
    public const int UsualBucket = 127, UsualRate = 7;

    /// <summary>Pixels: the middle of what captioned videos travel.</summary>
    public const float FullTravel = 14;

    /// <summary>Share of the radius that is added: what captioned videos grow, from .6 to 1.3.</summary>
    public const float FullGrowth = 7f / 6;

    private const double StillShare = 0.12;
    private const double BriskShare = 0.6;
    private const float LargestRadius = 11;

    /// <summary>What the pipeline is told of the motion: pixels a second, so that the travel within a clip is bucket / frames per second.</summary>
    public int MotionBucket => (int)MathF.Round(UsualBucket * Pace * FramesPerSecond / UsualRate);

    public static Excerpt Draw(Random random)
    {
        ShapesVideo video = ShapesVideo.Draw(random, dull: random.Next(2) == 0);
        float size = random.NextDouble() switch { < 0.5 => 1, < 0.75 => Between(random, 0.55f, 1), _ => Between(random, 1, 1.4f) };
        Figure first = video.Figure with
        {
            CenterX = Between(random, 5, 27),
            CenterY = Between(random, 5, 27),
            Radius = Math.Min(video.Figure.Radius * size, LargestRadius)
        };
        int rate = random.Next(2) == 0 ? UsualRate : random.Next(5, 11);
        float pace = random.NextDouble() switch { < StillShare => 0, < 1 - BriskShare => Between(random, 0.3f, 0.85f), _ => Between(random, 0.85f, 1.15f) };
        Motion motion = pace == 0 ? Motion.Still : DrawMotion(random, first, pace);
        return new Excerpt(video.Subject with { Motion = motion }, first, video.Backdrop, pace, rate);
    }

    /// <summary>An excerpt that begins as a captioned video does and goes on at the usual pace.</summary>
    public static Excerpt BeginningOf(in ShapesVideo video)
    {
        (float x, float y) = Direction(video.Subject.Motion);
        Figure first = video.Figure with
        {
            CenterX = video.Figure.CenterX - (x * video.Figure.Travel / 2),
            CenterY = video.Figure.CenterY - (y * video.Figure.Travel / 2),
            Radius = video.Figure.Radius * (video.Subject.Motion == Motion.Growing ? 0.6f : 1),
        };
        return new Excerpt(video.Subject, first, video.Backdrop,
            video.Subject.Motion switch { Motion.Still => 0, Motion.Growing => 1, _ => video.Figure.Travel / FullTravel }, UsualRate);
    }

    /// <summary>The figure at a frame.</summary>
    public Figure At(int frame)
    {
        float way = Pace * frame / (ShapesVideo.Frames - 1f);
        (float x, float y) = Direction(Subject.Motion);
        return First with
        {
            Motion = Motion.Still,
            CenterX = First.CenterX + (x * FullTravel * way),
            CenterY = First.CenterY + (y * FullTravel * way),
            Radius = Subject.Motion == Motion.Growing ? First.Radius * (1 + (FullGrowth * way)) : First.Radius,
        };
    }

    /// <summary>Paints frame <paramref name="frame"/>.</summary>
    public void Paint(int frame, Span<float> pixels)
    {
        Painter.Paint(Backdrop, pixels);
        Painter.Paint(At(frame), 0, pixels);
    }

    /// <summary>All frames: [N, 3, 8, 32, 32].</summary>
    public static Tensor PaintVideos(IReadOnlyList<Excerpt> excerpts)
    {
        using Tensor frames = PaintRows([.. excerpts.SelectMany(excerpt => Enumerable.Range(0, ShapesVideo.Frames).Select(frame => (excerpt, frame)))]);
        return frames.view(excerpts.Count, ShapesVideo.Frames, 3, ShapesVideo.Size, ShapesVideo.Size).permute(0, 2, 1, 3, 4).contiguous();
    }

    /// <summary>The images that clips begin with: [N, 3, 32, 32].</summary>
    public static Tensor PaintFirst(IReadOnlyList<Excerpt> excerpts) => PaintRows([.. excerpts.Select(excerpt => (excerpt, 0))]);

    private static Tensor PaintRows((Excerpt Excerpt, int Frame)[] rows)
    {
        float[] pixels = new float[rows.Length * ShapesVideo.FrameLength];
        for (int i = 0; i < rows.Length; i++)
        {
            rows[i].Excerpt.Paint(rows[i].Frame, pixels.AsSpan(i * ShapesVideo.FrameLength, ShapesVideo.FrameLength));
        }

        return tensor(pixels, [rows.Length, 3, ShapesVideo.Size, ShapesVideo.Size]);
    }

    private static Motion DrawMotion(Random random, in Figure first, float pace)
    {
        const float GrowingWeight = 0.35f;
        float[] weights = new float[(int)Motion.Still];
        for (int motion = 0; motion < weights.Length; motion++)
        {
            (float x, float y) = Direction((Motion)motion);
            weights[motion] = (Motion)motion == Motion.Growing
                ? (first.Radius * (1 + (FullGrowth * pace)) <= LargestRadius ? GrowingWeight : 0)
                : Room((x * (first.CenterX - 16)) + (y * (first.CenterY - 16)) + (FullTravel * pace));
        }

        float at = weights.Sum() * random.NextSingle();
        int chosen = 0;
        while (chosen < weights.Length - 1 && at >= weights[chosen])
        {
            at -= weights[chosen++];
        }

        return (Motion)chosen;
    }

    /// <summary>How readily a figure moves to where it is so far from the middle: 1 up to 11 pixels, hardly from 16 on.</summary>
    private static float Room(float distance) => Math.Clamp((16 - distance) / 5, 0.02f, 1);

    /// <summary>The way that a figure moves, right and down; zero where it grows or stands still.</summary>
    public static (float X, float Y) Direction(Motion motion) => motion switch
    {
        Motion.Left => (-1, 0),
        Motion.Right => (1, 0),
        Motion.Up => (0, -1),
        Motion.Down => (0, 1),
        _ => (0, 0),
    };

    private static float Between(Random random, float low, float high) => low + ((high - low) * random.NextSingle());
}
