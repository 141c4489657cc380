using Microsoft.ML.VideoAlignment.MovingShapes.Training;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.MovingShapes.World;

/// <summary>The videos that the V-JEPA of this world learns from.</summary>
internal static class ConsistencyLessons
{
    private const double LargestNoise = 0.01;

    /// <summary>Draws whole videos: half captioned, half freer, softened and with a little noise.</summary>
    /// <param name="stream">Of the random numbers.</param>
    /// <param name="draw">Number of the draw.</param>
    /// <param name="count">N.</param>
    /// <returns>[N, 3, T, 32, 32].</returns>
    public static Tensor DrawWhole(int stream, int draw, int count)
    {
        Random random = StepRandom.Numbers(stream, draw);
        return Render([.. Enumerable.Range(0, count).Select(i => i % 2 == 0 ? Scene.DrawCaptioned(random) : Scene.DrawFree(random))], random, stream, draw);
    }

    /// <summary>
    /// Draws hard lessons. Half of the videos are cut at a frame: from there another video goes on, or another shape and color on the same path and background.
    /// A quarter have their frames shuffled.
    /// </summary>
    /// <param name="stream">Of the random numbers.</param>
    /// <param name="draw">Number of the draw; all its videos are captioned ones, or all freer.</param>
    /// <param name="count">N.</param>
    /// <returns>The videos, and what each of their frames shows.</returns>
    public static ConsistencyLesson DrawHard(int stream, int draw, int count)
    {
        Random random = StepRandom.Numbers(stream, draw);
        bool free = random.Next(2) == 0;
        Scene[] Video() => free ? Scene.DrawFree(random) : Scene.DrawCaptioned(random);
        Scene[][] videos = [.. Enumerable.Range(0, count).Select(_ => Video())];
        for (int i = 0; i < count / 2; i++)
        {
            Cut(videos[i], Video(), random);
        }

        for (int i = count / 2; i < count * 3 / 4; i++)
        {
            random.Shuffle(videos[i]);
        }

        using DisposeScope scope = NewDisposeScope();
        Scene[] all = [.. videos.SelectMany(video => video)];
        float[] places = [.. all.SelectMany(scene => new[]
        {
            (scene.Figure.CenterX - 16) / 8, (scene.Figure.CenterY - 16) / 8, (scene.Figure.Radius - 6.5f) / 2,
        })];
        return new ConsistencyLesson(
            Render(videos, random, stream, draw).MoveToOuterDisposeScope(),
            Labels(subject => (long)subject.Shape),
            Labels(subject => subject.Color),
            Labels(subject => subject.Background),
            tensor(places, [all.Length, 3]).Clamp(-3, 3).MoveToOuterDisposeScope());

        Tensor Labels(Func<Subject, long> label) => tensor([.. all.Select(scene => label(scene.Subject))]).MoveToOuterDisposeScope();
    }

    private static void Cut(Scene[] video, Scene[] other, Random random)
    {
        int cut = random.Next(1, video.Length);
        bool samePath = random.Next(2) == 0;
        for (int frame = cut; frame < video.Length; frame++)
        {
            Scene next = other[frame];
            video[frame] = samePath ? Recolored(video[frame], next) : next;
        }
    }

    // The shape and the color of another video, at this one's place.
    private static Scene Recolored(in Scene scene, in Scene other) => scene with
    {
        Subject = scene.Subject with { Shape = other.Subject.Shape, Color = other.Subject.Color },
        Figure = scene.Figure with
        {
            Shape = other.Figure.Shape,
            Hue = other.Figure.Hue,
            Saturation = other.Figure.Saturation,
            Value = other.Figure.Value,
        },
    };

    private static Tensor Render(Scene[][] videos, Random random, int stream, int draw)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor frames = RatedFrames.Soften(Scene.Paint(videos), random, ShapesVideo.Frames);
        Tensor seen = RatedFrames.Disturb(frames, LargestNoise, stream, draw);
        return seen.unflatten(0, [videos.Length, ShapesVideo.Frames]).transpose(1, 2).contiguous().MoveToOuterDisposeScope();
    }
}

/// <summary>Videos and what their frames show.</summary>
/// <param name="Videos">[N, 3, T, 32, 32].</param>
/// <param name="Shapes">int64 [N * T].</param>
/// <param name="Colors">int64 [N * T].</param>
/// <param name="Backgrounds">int64 [N * T].</param>
/// <param name="Places">[N * T, 3]: center and radius, about -1 to 1.</param>
internal sealed record ConsistencyLesson(Tensor Videos, Tensor Shapes, Tensor Colors, Tensor Backgrounds, Tensor Places);
