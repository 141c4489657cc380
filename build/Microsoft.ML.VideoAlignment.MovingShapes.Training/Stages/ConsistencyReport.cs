using Microsoft.ML.VideoAlignment.MovingShapes.Training;
using Microsoft.ML.VideoAlignment.MovingShapes.World;
using Microsoft.ML.VideoAlignment.Rewards.VJepa;

namespace Microsoft.ML.VideoAlignment.MovingShapes.Stages;

/// <summary>
/// Measures what the V-JEPA of this world notices, by the reward as it is used: the share of unseen videos that score higher than the same video made worse.
/// </summary>
internal static class ConsistencyReport
{
    private const int Videos = 512;
    private const int Stream = 108;
    private const int Half = ShapesVideo.Frames / 2;

    /// <summary>Makes the reward of a network, which stays the caller's.</summary>
    /// <param name="network">A network of <see cref="ConsistencyStage.Config"/>, in training or trained.</param>
    public static VJepaReward MakeReward(VJepaNetwork network) =>
        new(network, MovingShapesSettings.Consistency, clamp: true, () => throw new NotSupportedException("A network in training has no file."));

    /// <summary>Notes the shares, and the loss of whole videos.</summary>
    /// <param name="shop">Receives the figures.</param>
    /// <param name="network">The trained network.</param>
    public static void Write(Workshop shop, VJepaNetwork network)
    {
        using IDisposable guard = no_grad();
        using DisposeScope scope = NewDisposeScope();
        VJepaReward reward = MakeReward(network);
        Random random = StepRandom.Numbers(Stream, 0);
        ShapesVideo[] videos = [.. Enumerable.Range(0, Videos).Select(_ => ShapesVideo.Draw(random, dull: false))];
        Scene[][] scenes = [.. videos.Select(video => Scene.FromVideo(video))];
        Tensor frames = Render(scenes), whole = reward.Score(frames, []);
        shop.Note("consistency loss", -whole.mean().item<float>());
        long[] all = [.. Enumerable.Range(0, Videos).Select(i => (long)i)];
        long[] moving = [.. all.Where(i => videos[i].Subject.Motion != Motion.Still)];

        Compare("shuffled", moving, stack([.. moving.Select(i => frames[i].index_select(1, tensor(Disorder(random))))]));
        Compare("spliced", all, Joined(frames, frames.roll(1, 0)));
        Compare("shape", all, Joined(frames, Render([.. scenes.Select(video => Changed(video, OtherShape(video[0], random)))])));
        Compare("colour", all, Joined(frames, Render([.. scenes.Select(video => Changed(video, OtherColor(video[0], random)))])));
        Compare("frozen", moving, frames.index_select(0, tensor(moving)).narrow(2, 0, 1).expand(-1, -1, ShapesVideo.Frames, -1, -1));

        void Compare(string defect, long[] rows, Tensor worse) =>
            shop.Note(
                $"consistency against {defect}",
                whole.index_select(0, tensor(rows)).gt(reward.Score(worse.contiguous(), [])).to_type(ScalarType.Float32).mean().item<float>());
    }

    // A video and its changed twin are equally soft.
    private static Tensor Render(Scene[][] scenes) =>
        RatedFrames.Soften(Scene.Paint(scenes), StepRandom.Numbers(Stream, 1), ShapesVideo.Frames)
            .unflatten(0, [scenes.Length, ShapesVideo.Frames]).transpose(1, 2).contiguous();

    private static Tensor Joined(Tensor first, Tensor second) => cat([first.narrow(2, 0, Half), second.narrow(2, Half, Half)], 2);

    private static Scene[] Changed(Scene[] video, Func<Figure, Figure> change) =>
        [.. video.Select(scene => scene with { Figure = change(scene.Figure) })];

    private static Func<Figure, Figure> OtherShape(in Scene scene, Random random)
    {
        var shape = (Shape)(((int)scene.Subject.Shape + random.Next(1, Attributes.Shapes.Count)) % Attributes.Shapes.Count);
        return figure => figure with { Shape = shape };
    }

    private static Func<Figure, Figure> OtherColor(in Scene scene, Random random)
    {
        float hue = Attributes.Hues[(scene.Subject.Color + random.Next(1, Attributes.Colors.Count)) % Attributes.Colors.Count];
        float shift = 12 * (random.NextSingle() - 0.5f); // as ShapesVideo draws it
        return figure => figure with { Hue = hue + shift };
    }

    /// <summary>An order of the frames that is neither the video's nor its reverse.</summary>
    private static long[] Disorder(Random random)
    {
        long[] order = [.. Enumerable.Range(0, ShapesVideo.Frames).Select(i => (long)i)];
        do
        {
            random.Shuffle(order);
        }
        while (Enumerable.Range(1, ShapesVideo.Frames - 1).All(i => Math.Abs(order[i] - order[i - 1]) == 1));
        return order;
    }
}
