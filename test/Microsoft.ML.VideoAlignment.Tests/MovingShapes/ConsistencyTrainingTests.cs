using Microsoft.ML.VideoAlignment.MovingShapes;
using Microsoft.ML.VideoAlignment.MovingShapes.Stages;
using Microsoft.ML.VideoAlignment.MovingShapes.Training;
using Microsoft.ML.VideoAlignment.MovingShapes.World;
using Microsoft.ML.VideoAlignment.Rewards.VJepa;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>What the embedded V-JEPA learns from and begins with.</summary>
public class ConsistencyTrainingTests
{
    [Test]
    public void TheScenesOfACaptionedVideoAreItsFrames()
    {
        using DisposeScope scope = NewDisposeScope();
        ShapesVideo[] videos = [.. Enumerable.Range(0, 12).Select(i => ShapesVideo.Draw(new Random(i), dull: false))];
        Tensor scenes = Scene.Paint([.. videos.Select(video => Scene.FromVideo(video))]).view(12, ShapesVideo.Frames, 3, 32, 32).transpose(1, 2);
        Assert.That((scenes - Painter.PaintVideos(videos)).abs().max().item<float>(), Is.LessThan(1e-3));
    }

    /// <summary>Frames of one label look alike: where a label changes from frame to frame the picture changes, and both happen in hard lessons.</summary>
    [Test]
    public void LabelsFollowTheFramesOfCutAndShuffledVideos()
    {
        using DisposeScope scope = NewDisposeScope();
        const int Count = 16;
        ConsistencyLesson lesson = ConsistencyLessons.DrawHard(stream: 900, draw: 1, Count);
        long[] shapes = lesson.Shapes.data<long>().ToArray(), colors = lesson.Colors.data<long>().ToArray();
        Assert.That(lesson.Videos.shape, Is.EqualTo(new long[] { Count, 3, ShapesVideo.Frames, 32, 32 }));
        Assert.That(lesson.Places.shape, Is.EqualTo(new long[] { Count * ShapesVideo.Frames, 3 }));
        int[] changes = [.. Enumerable.Range(0, Count).Select(i => Enumerable.Range(1, ShapesVideo.Frames - 1)
            .Count(frame => At(shapes, i, frame) != At(shapes, i, frame - 1) || At(colors, i, frame) != At(colors, i, frame - 1)))];
        Assert.That(changes.Take(Count / 2), Is.All.AtMost(1), "cut once");
        Assert.That(changes.Take(Count / 2).Sum(), Is.AtLeast(Count / 4), "and most of them into another shape or color");
        Assert.That(changes.Skip(Count / 2), Is.All.Zero, "shuffled or whole");

        static long At(long[] labels, int video, int frame) => labels[(video * ShapesVideo.Frames) + frame];
    }

    [Test]
    public void ThePredictorBeginsByLookingForWhatIsAlike()
    {
        using DisposeScope scope = NewDisposeScope();
        using var network = new VJepaNetwork(ConsistencyStage.Config, Placement.Cpu);
        using var generator = new Generator(4);
        VJepaInitializer.Fill(network, ConsistencyStage.Config.Grid, generator);
        Tensor weight = network.get_parameter("predictor.predictor_blocks.1.self_attn.qkv_proj.weight")!.detach();
        Tensor queries = weight.narrow(0, 0, 64), keys = weight.narrow(0, 64, 64), values = weight.narrow(0, 128, 64);
        Assert.That(queries.Equals(keys));
        Assert.That(queries.mm(queries.t()).allclose(eye(64) * 1.44f, atol: 1e-4));
        Assert.That(values.mm(values.t()).allclose(eye(64) * 1.44f, atol: 1e-1), Is.False);
        Tensor filters = network.get_parameter("encoder.patch_embed.proj.weight")!.detach().mean([1, 2, 3, 4]).abs();
        Assert.That(filters.narrow(0, 0, 56).max().item<float>(), Is.LessThan(1e-6), "an even gray gives nothing");
        Assert.That(filters.narrow(0, 56, 8).min().item<float>(), Is.GreaterThan(1e-6), "but to an eighth of them");
    }

    /// <summary>Where every moment is hidden in turn, what differs from moment to moment cancels between a video and the same made worse.</summary>
    [Test]
    public void TheReportedScoreHidesEveryMoment()
    {
        using var network = new VJepaNetwork(ConsistencyStage.Config, Placement.Meta);
        var masks = ConsistencyReport.MakeReward(network).DrawMasks(0);
        int moment = (int)(ConsistencyStage.Config.Tokens / ShapesVideo.Frames);
        const int Round = MovingShapesSettings.ConsistencyRound;
        long[][] hidden = [.. masks.Select(mask => mask.Predicted.data<long>().ToArray())];
        Assert.That(hidden.Where((_, i) => i % Round < 3).Select(tokens => tokens.Length), Is.All.EqualTo(moment));
        Assert.That(hidden.Where((_, i) => i % Round < 3).Select(tokens => tokens[0] / moment).Distinct().Order(),
            Is.EqualTo(Enumerable.Range(0, ShapesVideo.Frames)));
        Assert.That(hidden.Where((_, i) => i % Round == 3).Select(tokens => (tokens[0], tokens.Length)), Is.All.EqualTo((64L, 64)));
    }
}
