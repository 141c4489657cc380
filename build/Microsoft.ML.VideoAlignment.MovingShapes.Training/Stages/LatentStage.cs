using System.Runtime.InteropServices;
using Microsoft.ML.VideoAlignment.Models;
using Microsoft.ML.VideoAlignment.MovingShapes.Training;
using Microsoft.ML.VideoAlignment.MovingShapes.World;

namespace Microsoft.ML.VideoAlignment.MovingShapes.Stages;

/// <summary>Encodes the videos that the denoiser learns from, once: posterior means times the scaling factor that makes their standard deviation 1.</summary>
internal static class LatentStage
{
    public const string Name = "latents";
    public const int Videos = 12288;

    private const int Chunk = 32;
    private const int Stream = 2;
    private static readonly long[] s_shape = [ShapesVideo.Frames, 4, 8, 8];

    public static string FileOf(Workshop shop) => Path.Combine(shop.State, "latents.bin");

    /// <summary>The captions' subjects, in the order of the latents.</summary>
    public static ShapesVideo[] DrawVideos()
    {
        Random random = StepRandom.Numbers(Stream, 0);
        return [.. Enumerable.Range(0, Videos).Select(_ => ShapesVideo.Draw(random, dull: true))];
    }

    public static void Run(Workshop shop)
    {
        if (File.Exists(FileOf(shop)))
        {
            return;
        }

        ShapesVideo[] videos = DrawVideos();
        float[] all = new float[videos.Length * (int)s_shape.Aggregate(1L, (product, size) => product * size)];
        using (AutoencoderKL network = VaeStage.Load(shop, 1))
        {
            int length = all.Length / videos.Length * Chunk;
            Parallel.For(0, videos.Length / Chunk, new ParallelOptions { MaxDegreeOfParallelism = TrainingRun.Parts }, chunk =>
            {
                using IDisposable guard = no_grad();
                using DisposeScope scope = NewDisposeScope();
                Tensor frames = Painter.PaintFrames(
                    [.. videos.Skip(chunk * Chunk).Take(Chunk).SelectMany(video => Enumerable.Range(0, ShapesVideo.Frames).Select(frame => (video, frame)))]);
                Tensor mean = network.Encode((frames * 2) - 1).Mean;
                mean.data<float>().ToArray().CopyTo(all, chunk * length);
            });
        }

        using Tensor latents = tensor(all, [videos.Length, .. s_shape]);
        using Tensor std = latents.std();
        double factor = Math.Round(1 / std.item<float>(), 6);
        shop.Note("scaling factor", factor);
        foreach (ref float value in all.AsSpan())
        {
            value *= (float)factor;
        }

        File.WriteAllBytes(FileOf(shop) + ".tmp", MemoryMarshal.AsBytes(all.AsSpan()).ToArray());
        File.Move(FileOf(shop) + ".tmp", FileOf(shop));
    }

    /// <summary>[N, 4, T, h, w], scaled.</summary>
    public static Tensor Load(Workshop shop)
    {
        using DisposeScope scope = NewDisposeScope();
        float[] all = MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(FileOf(shop))).ToArray();
        return tensor(all, [Videos, .. s_shape]).permute(0, 2, 1, 3, 4).contiguous().MoveToOuterDisposeScope();
    }
}
