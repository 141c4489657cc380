using Microsoft.ML.VideoAlignment.MovingShapes.Training;

namespace Microsoft.ML.VideoAlignment.MovingShapes.World;

/// <summary>Frames of rated films for the networks that judge: half of them slightly blurred, because a decoder's pictures are softer than painted ones.</summary>
internal static class RatedFrames
{
    /// <summary>N films, a frame of each [N, 3, 32, 32]; noise: largest standard deviation of what is added, drawn for each frame.</summary>
    public static (Film[] Films, Tensor Frames) Draw(int stream, int step, int count, double noise)
    {
        using DisposeScope scope = NewDisposeScope();
        Random random = StepRandom.Numbers(stream, step);
        Film[] films = [.. Enumerable.Range(0, count).Select(_ => Film.Draw(random, dull: false))];
        Tensor frames = Painter.PaintFrames([.. films.Select(film => (film, random.Next(Film.Frames)))]);
        Tensor share = tensor([.. films.Select(_ => random.Next(2) == 0 ? 0f : random.NextSingle())]).view(-1, 1, 1, 1);
        frames = frames + (share * (Blur(frames) - frames));
        if (noise > 0)
        {
            using Generator generator = StepRandom.Tensors(stream, step);
            Tensor width = noise * rand([count, 1, 1, 1], generator: generator);
            frames = (frames + (width * randn(frames.shape, generator: generator))).clamp(0, 1);
        }

        return (films, frames.MoveToOuterDisposeScope());
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
