using Microsoft.ML.VideoAlignment.MovingShapes.Training;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.MovingShapes.World;

/// <summary>
/// Frames of rated videos for the networks that judge: half of them slightly blurred, because a decoder's images are softer than painted ones.
/// </summary>
internal static class RatedFrames
{
    /// <summary>N videos, a frame of each [N, 3, 32, 32]; noise: largest standard deviation of what is added, drawn for each frame.</summary>
    public static (ShapesVideo[] Videos, Tensor Frames) Draw(int stream, int step, int count, double noise)
    {
        using DisposeScope scope = NewDisposeScope();
        Random random = StepRandom.Numbers(stream, step);
        ShapesVideo[] videos = [.. Enumerable.Range(0, count).Select(_ => ShapesVideo.Draw(random, dull: false))];
        Tensor frames = Painter.PaintFrames([.. videos.Select(video => (video, random.Next(ShapesVideo.Frames)))]);
        return (videos, Disturb(Soften(frames, random), noise, stream, step).MoveToOuterDisposeScope());
    }

    /// <summary>N videos, softened and disturbed as a whole: [N, 3, 8, 32, 32].</summary>
    public static (ShapesVideo[] Videos, Tensor Frames) DrawVideos(int stream, int step, int count, double noise)
    {
        using DisposeScope scope = NewDisposeScope();
        Random random = StepRandom.Numbers(stream, step);
        ShapesVideo[] videos = [.. Enumerable.Range(0, count).Select(_ => ShapesVideo.Draw(random, dull: false))];
        Tensor frames = Painter.PaintFrames([.. videos.SelectMany(video => Enumerable.Range(0, ShapesVideo.Frames).Select(frame => (video, frame)))]);
        Tensor seen = Disturb(Soften(frames, random, ShapesVideo.Frames), noise, stream, step);
        return (videos, seen.unflatten(0, [count, ShapesVideo.Frames]).transpose(1, 2).contiguous().MoveToOuterDisposeScope());
    }

    /// <summary>Half of the frames [N, 3, 32, 32] slightly blurred; each run of <paramref name="alike"/> frames alike.</summary>
    public static Tensor Soften(Tensor frames, Random random, int alike = 1)
    {
        using DisposeScope scope = NewDisposeScope();
        float[] shares = [.. Enumerable.Range(0, (int)frames.shape[0] / alike).Select(_ => random.Next(2) == 0 ? 0f : random.NextSingle())];
        Tensor share = tensor(shares).repeat_interleave(alike).view(-1, 1, 1, 1);
        return Ops.Add(frames, share * Ops.Subtract(Blur(frames), frames)).MoveToOuterDisposeScope();
    }

    /// <summary>Adds noise of a width drawn for each frame, up to <paramref name="noise"/>.</summary>
    public static Tensor Disturb(Tensor frames, double noise, int stream, int step)
    {
        if (noise <= 0)
        {
            return frames.alias();
        }

        using DisposeScope scope = NewDisposeScope();
        using Generator generator = StepRandom.Tensors(stream, step);
        Tensor width = rand([frames.shape[0], 1, 1, 1], generator: generator).Mul(noise);
        return Ops.Add(frames, width * randn(frames.shape, generator: generator)).Clamp(0, 1).MoveToOuterDisposeScope();
    }

    /// <summary>The binomial kernel 1 2 1 both ways, the rim repeated.</summary>
    private static Tensor Blur(Tensor frames)
    {
        Tensor row = tensor([0.25f, 0.5f, 0.25f]);
        Tensor kernel = row.outer(row).view(1, 1, 3, 3).expand(3, 1, 3, 3);
        Tensor wide = nn.functional.pad(frames, [1, 1, 1, 1], PaddingModes.Replicate);
        return nn.functional.conv2d(wide, kernel, groups: 3);
    }
}
