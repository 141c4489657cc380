using System.Runtime.InteropServices;
using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Models.StableVideoDiffusion;
using Microsoft.ML.VideoAlignment.MovingShapes.Training;
using Microsoft.ML.VideoAlignment.MovingShapes.World;

namespace Microsoft.ML.VideoAlignment.MovingShapes.Stages;

/// <summary>
/// Encodes the clips that the image-to-video denoiser learns from, once: their latents as <see cref="LatentStage"/> does, and the embeddings of the images
/// they begin with.
/// </summary>
internal static class ExcerptStage
{
    public const string Name = "excerpts";
    public const int Clips = 6144;

    private const int Chunk = 8;
    private const int Stream = 13;
    private const int EmbeddingWidth = 64;
    private static readonly long[] s_shape = [ShapesVideo.Frames, 4, 8, 8];

    /// <summary>The clips, in the order of the latents.</summary>
    public static Excerpt[] Draw()
    {
        Random random = StepRandom.Numbers(Stream, 0);
        return [.. Enumerable.Range(0, Clips).Select(_ => Excerpt.Draw(random))];
    }

    public static void Run(Workshop shop)
    {
        if (File.Exists(FileOf(shop, "embeddings")))
        {
            return;
        }

        Excerpt[] excerpts = Draw();
        int length = (int)s_shape.Aggregate(1L, (product, size) => product * size);
        float[] latents = new float[excerpts.Length * length];
        float[] embeddings = new float[excerpts.Length * EmbeddingWidth];
        using (AutoencoderKLTemporalDecoder network = TemporalVaeStage.Load(shop, 1))
        using (ClipVisionEncoder encoder = ImageEncoderStage.Load(shop))
        {
            Parallel.For(0, excerpts.Length / Chunk, new ParallelOptions { MaxDegreeOfParallelism = TrainingRun.Parts }, chunk =>
            {
                using IDisposable guard = no_grad();
                using DisposeScope scope = NewDisposeScope();
                Tensor videos = Excerpt.PaintVideos(excerpts.AsSpan(chunk * Chunk, Chunk).ToArray());
                network.Encode((TemporalVaeStage.Rows(videos) * 2) - 1).Mean.data<float>().ToArray().CopyTo(latents, chunk * Chunk * length);
                ImageEncoderStage.Embed(encoder, videos.select(2, 0)).data<float>().ToArray().CopyTo(embeddings, chunk * Chunk * EmbeddingWidth);
            });
        }

        using Tensor all = tensor(latents);
        using Tensor std = all.std();
        double factor = Math.Round(1 / std.item<float>(), 6);
        shop.Note("temporal scaling factor", factor);
        foreach (ref float value in latents.AsSpan())
        {
            value *= (float)factor;
        }

        Write(FileOf(shop, "latents"), latents);
        Write(FileOf(shop, "embeddings"), embeddings);
    }

    /// <summary>Latents [N, 4, T, h, w], scaled, and embeddings [N, 1, 64].</summary>
    public static (Tensor Latents, Tensor Embeddings) Load(Workshop shop)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor latents = tensor(Read(FileOf(shop, "latents")), [Clips, .. s_shape]).permute(0, 2, 1, 3, 4).contiguous();
        Tensor embeddings = tensor(Read(FileOf(shop, "embeddings")), [Clips, 1, EmbeddingWidth]);
        return (latents.MoveToOuterDisposeScope(), embeddings.MoveToOuterDisposeScope());
    }

    private static string FileOf(Workshop shop, string what) => Path.Combine(shop.State, $"{Name}-{what}.bin");

    private static float[] Read(string path) => MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(path)).ToArray();

    private static void Write(string path, float[] values)
    {
        File.WriteAllBytes(path + ".tmp", MemoryMarshal.AsBytes(values.AsSpan()).ToArray());
        File.Move(path + ".tmp", path);
    }
}
