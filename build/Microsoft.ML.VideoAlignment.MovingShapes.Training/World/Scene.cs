namespace Microsoft.ML.VideoAlignment.MovingShapes.World;

/// <summary>One frame of a video and what it shows; a video is a list of <see cref="ShapesVideo.Frames"/> scenes.</summary>
/// <param name="Subject">What the frame shows.</param>
/// <param name="Figure">The figure as it is in this frame; its motion and travel are not used.</param>
/// <param name="Backdrop">The background.</param>
internal readonly record struct Scene(Subject Subject, Figure Figure, Backdrop Backdrop)
{
    private const double StillShare = 0.12;
    private const double BriskShare = 0.45;
    private const double SlantShare = 0.25;
    private const double ShrinkShare = 0.4;
    private const double LeavingShare = 0.05;
    private const float LargestRadius = 12;

    /// <summary>Draws the scenes of a captioned video.</summary>
    /// <param name="random">Source of every draw.</param>
    public static Scene[] DrawCaptioned(Random random)
    {
        var video = ShapesVideo.Draw(random, dull: false);
        return FromVideo(video);
    }

    /// <summary>
    /// Draws the scenes of a freer video: its figure begins anywhere, moves at any pace up to 1.15 of a captioned video's, on a slanting path in a quarter of
    /// the cases, grows or shrinks, and hardly ever leaves the image.
    /// </summary>
    /// <param name="random">Source of every draw.</param>
    public static Scene[] DrawFree(Random random)
    {
        var video = ShapesVideo.Draw(random, dull: false);
        float pace = random.NextDouble() switch
        {
            < StillShare => 0,
            < 1 - BriskShare => Between(random, 0.3f, 0.85f),
            _ => Between(random, 0.85f, 1.15f),
        };
        float size = random.Next(2) == 0 ? 1 : Between(random, 0.55f, 1.4f);
        (float x, float y) = (Between(random, 5, 27), Between(random, 5, 27));
        (float dx, float dy) = Direction(random, video.Subject.Motion);
        (dx, dy) = (Inwards(random, dx, x, pace), Inwards(random, dy, y, pace));
        bool shrinking = random.NextDouble() < ShrinkShare, growing = video.Subject.Motion == Motion.Growing;
        float first = Math.Min(video.Figure.Radius * size, LargestRadius - 1);
        Subject subject = pace == 0 ? video.Subject with { Motion = Motion.Still } : video.Subject;
        var scenes = new Scene[ShapesVideo.Frames];
        for (int frame = 0; frame < scenes.Length; frame++)
        {
            float way = pace * frame / (scenes.Length - 1f), growth = shrinking ? pace - way : way;
            Figure figure = video.Figure with
            {
                Motion = Motion.Still,
                CenterX = x + (Excerpt.FullTravel * way * dx),
                CenterY = y + (Excerpt.FullTravel * way * dy),
                Radius = growing ? Math.Min(first * (1 + (Excerpt.FullGrowth * growth)), LargestRadius) : first,
            };
            scenes[frame] = new Scene(subject, figure, video.Backdrop);
        }

        return scenes;
    }

    /// <summary>Lists the scenes of a captioned video.</summary>
    /// <param name="video">The video.</param>
    public static Scene[] FromVideo(in ShapesVideo video)
    {
        var excerpt = Excerpt.BeginningOf(video);
        Subject subject = video.Subject;
        return [.. Enumerable.Range(0, ShapesVideo.Frames).Select(frame => new Scene(subject, excerpt.At(frame), excerpt.Backdrop))];
    }

    /// <summary>Paints videos.</summary>
    /// <param name="videos">The scenes of each.</param>
    /// <returns>[N * T, 3, 32, 32], video by video.</returns>
    public static Tensor Paint(IReadOnlyList<Scene[]> videos)
    {
        float[] pixels = new float[videos.Count * ShapesVideo.Frames * ShapesVideo.FrameLength];
        for (int i = 0; i < videos.Count * ShapesVideo.Frames; i++)
        {
            Scene scene = videos[i / ShapesVideo.Frames][i % ShapesVideo.Frames];
            Span<float> image = pixels.AsSpan(i * ShapesVideo.FrameLength, ShapesVideo.FrameLength);
            Painter.Paint(scene.Backdrop, image);
            Painter.Paint(scene.Figure, 0, image);
        }

        return tensor(pixels, [videos.Count * ShapesVideo.Frames, 3, ShapesVideo.Size, ShapesVideo.Size]);
    }

    private static (float X, float Y) Direction(Random random, Motion motion)
    {
        if (motion is Motion.Growing or Motion.Still)
        {
            return (0, 0);
        }

        if (random.NextDouble() < SlantShare)
        {
            (float sine, float cosine) = MathF.SinCos(Between(random, 0, 2 * MathF.PI));
            return (cosine, sine);
        }

        return Excerpt.Direction(motion);
    }

    // Turns where the figure would leave the image.
    private static float Inwards(Random random, float direction, float place, float pace)
    {
        const float Middle = ShapesVideo.Size / 2f;
        bool leaves = ((place - Middle) * direction) + (Excerpt.FullTravel * pace) > Middle;
        return leaves && random.NextDouble() >= LeavingShare ? -direction : direction;
    }

    private static float Between(Random random, float low, float high) => low + ((high - low) * random.NextSingle());
}
