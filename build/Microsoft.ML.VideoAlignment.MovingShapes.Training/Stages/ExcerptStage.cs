using System.Runtime.InteropServices;
using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Models.StableVideoDiffusion;
using Microsoft.ML.VideoAlignment.MovingShapes.Training;
using Microsoft.ML.VideoAlignment.MovingShapes.World;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.MovingShapes.Stages;

/// <summary>
/// Encodes the clips that the image-to-video denoiser learns from, once: their latents as <see cref="LatentStage"/> does, and several variants of the image
/// that each begins with, as latents and as embeddings.
/// </summary>
/// <remarks>
/// A variant is slightly blurred in half of the cases and its latents have noise of a level that the denoiser is told. The last one is what the decoder makes
/// of noisy latents, as the last frame of a generated segment is.
/// </remarks>
internal static class ExcerptStage
{
    public const string Name = "excerpts";
    public const int Clips = 6144;

    private const int Chunk = 8;
    private const int Stream = 13;
    private const int EmbeddingWidth = 64;
    private const int ImageLength = 4 * 8 * 8;
    private const double CleanShare = 0.3; // of the images, without noise
    private const double AugmentationMean = -3.3, AugmentationStd = 0.7; // of the logarithm of the noise level
    private const double LargestLatentNoise = 0.3; // of what the last variant is decoded from

    /// <summary>Variants of a clip's image.</summary>
    public const int Variants = 3;

    private static readonly long[] s_shape = [ShapesVideo.Frames, 4, 8, 8];

    /// <summary>The clips, in the order of the latents.</summary>
    public static Excerpt[] Draw()
    {
        Random random = StepRandom.Numbers(Stream, 0);
        return [.. Enumerable.Range(0, Clips).Select(_ => Excerpt.Draw(random))];
    }

    public static void Run(Workshop shop)
    {
        if (File.Exists(FileOf(shop, "noise")))
        {
            return;
        }

        Excerpt[] excerpts = Draw();
        int length = (int)s_shape.Aggregate(1L, (product, size) => product * size);
        float[] latents = new float[excerpts.Length * length];
        float[] images = new float[excerpts.Length * Variants * ImageLength];
        float[] embeddings = new float[excerpts.Length * Variants * EmbeddingWidth];
        float[] noise = new float[excerpts.Length * Variants];
        using (AutoencoderKLTemporalDecoder network = TemporalVaeStage.Load(shop, 1))
        using (ClipVisionEncoder encoder = ImageEncoderStage.Load(shop))
        {
            Parallel.For(0, excerpts.Length / Chunk, new ParallelOptions { MaxDegreeOfParallelism = TrainingRun.Parts }, chunk =>
            {
                using IDisposable guard = no_grad();
                using DisposeScope scope = NewDisposeScope();
                Tensor videos = Excerpt.PaintVideos(excerpts.AsSpan(chunk * Chunk, Chunk).ToArray());
                Tensor means = network.Encode(TemporalVaeStage.Rows(videos).Mul(2).Sub(1)).Mean;
                Copy(means, latents, chunk);
                (Tensor seen, Tensor encoded, float[] levels) = Images(network, videos.select(2, 0), means.unflatten(0, [Chunk, -1]).select(1, 0), chunk);
                Copy(encoded, images, chunk);
                Copy(ImageEncoderStage.Embed(encoder, seen), embeddings, chunk);
                levels.CopyTo(noise, chunk * levels.Length);
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
        Write(FileOf(shop, "images"), images);
        Write(FileOf(shop, "embeddings"), embeddings);
        Write(FileOf(shop, "noise"), noise);

        static void Copy(Tensor values, float[] target, int chunk) =>
            values.contiguous().data<float>().ToArray().CopyTo(target, chunk * (int)values.numel());
    }

    /// <summary>The variants of a chunk's images, clip by clip: what is embedded [N*3, 3, 32, 32] in [0, 1], latents [N*3, 4, 8, 8], levels of noise.</summary>
    private static (Tensor Seen, Tensor Encoded, float[] Levels) Images(AutoencoderKLTemporalDecoder network, Tensor painted, Tensor latents, int chunk)
    {
        Random random = StepRandom.Numbers(Stream + 1, chunk);
        using Generator generator = StepRandom.Tensors(Stream + 1, chunk);
        Tensor decoded = network.Decode(TemporalVaeStage.Disturbed(latents, latents, LargestLatentNoise, generator), 1).Add(1).Div(2).Clamp(0, 1);
        Tensor[] variants = [.. Enumerable.Range(0, Variants).Select(i => i == Variants - 1 ? decoded : RatedFrames.Soften(painted, random))];
        Tensor seen = stack(variants, 1).flatten(0, 1);
        float[] levels = [.. Enumerable.Range(0, (int)seen.shape[0]).Select(_ => random.NextDouble() < CleanShare ? 0
            : (float)Math.Exp(AugmentationMean + (AugmentationStd * Gaussian(random))))];
        Tensor noise = tensor(levels).view(-1, 1, 1, 1) * randn(seen.shape, generator: generator);
        return (seen, network.Encode(seen.Mul(2).Sub(1) + noise).Mean, levels);
    }

    private static double Gaussian(Random random) => Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());

    /// <summary>
    /// Latents [N, 4, T, h, w], scaled; of the images [N, 3, ...]: latents [4, h, w], unscaled, embeddings [1, 64] and levels of noise.
    /// </summary>
    public static (Tensor Latents, Tensor Images, Tensor Embeddings, Tensor Noise) Load(Workshop shop)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor latents = tensor(Read(FileOf(shop, "latents")), [Clips, .. s_shape]).permute(0, 2, 1, 3, 4).contiguous();
        Tensor images = tensor(Read(FileOf(shop, "images")), [Clips, Variants, 4, 8, 8]);
        Tensor embeddings = tensor(Read(FileOf(shop, "embeddings")), [Clips, Variants, 1, EmbeddingWidth]);
        Tensor noise = tensor(Read(FileOf(shop, "noise")), [Clips, Variants]);
        return (latents.MoveToOuterDisposeScope(), images.MoveToOuterDisposeScope(), embeddings.MoveToOuterDisposeScope(), noise.MoveToOuterDisposeScope());
    }

    private static string FileOf(Workshop shop, string what) => Path.Combine(shop.State, $"{Name}-{what}.bin");

    private static float[] Read(string path) => MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(path)).ToArray();

    private static void Write(string path, float[] values)
    {
        File.WriteAllBytes(path + ".tmp", MemoryMarshal.AsBytes(values.AsSpan()).ToArray());
        File.Move(path + ".tmp", path, overwrite: true);
    }
}
