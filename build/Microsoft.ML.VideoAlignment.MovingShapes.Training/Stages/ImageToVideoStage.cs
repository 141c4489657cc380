using System.Text.Json;
using Microsoft.ML.VideoAlignment.Models.StableVideoDiffusion;
using Microsoft.ML.VideoAlignment.MovingShapes.Training;
using Microsoft.ML.VideoAlignment.MovingShapes.World;
using Microsoft.ML.VideoAlignment.Tensors;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.MovingShapes.Stages;

/// <summary>
/// Trains the image-to-video denoiser as Stable Video Diffusion is (Blattmann et al. 2023, arXiv 2311.15127, appendix D): noise levels log-normal
/// (Karras et al. 2022, arXiv 2206.00364), mean square error of v, the clip's image as an embedding and as latents with a little noise, whose level it is
/// told, together with the rate and the motion bucket. One clip in twenty has neither embedding nor latents, for guidance.
/// </summary>
/// <remarks>
/// Latents show the image where the figure was, the embedding says at every place and frame what it is, and with latents present the embedding is not read:
/// so many clips have the embedding alone. Single frames come first, at an eighth of a clip's cost.
/// </remarks>
internal static class ImageToVideoStage
{
    public const string Name = "image-to-video";

    /// <summary>Of the sampler. Stable Video Diffusion has .002 and 700 for latents of 14 x 72 x 128 numbers a channel; these have 8 x 8 x 8.</summary>
    public const double SmallestSigma = 0.01, LargestSigma = 80;

    private const double NeitherShare = 0.05; // of the clips: neither embedding nor latents
    private const double LatentsAloneShare = 0.05; // of the clips: latents without the embedding

    private static readonly string[] s_idle = [".norm2.", ".attn2.to_q.", ".attn2.to_k."];

    /// <summary>Each part goes on from the result of the one before.</summary>
    private static readonly Part[] s_parts =
    [
        new("image-to-video-frames", Stream: 14, Plan(5000, peak: 0.02, fall: 800), HalfBatch: 48, Frames: 1, EmbeddingAloneShare: 0.6, new(0.8, 1.2)),
        new(Name, Stream: 17, Plan(6500, peak: 0.015, fall: 2500), HalfBatch: 8, ShapesVideo.Frames, EmbeddingAloneShare: 0.3, new(0.5, 1.3)),
    ];

    /// <summary>State names of the parts, in order.</summary>
    public static IEnumerable<string> PartNames => s_parts.Select(part => part.Name);

    public static StableVideoDiffusionUNetConfig Config { get; } = new()
    {
        InChannels = 8,
        OutChannels = 4,
        SampleSize = 8,
        DownAttention = [false, true],
        UpAttention = [true, false],
        BlockOutChannels = [64, 64],
        AdditionTimeEmbedDim = 64,
        AdditionWidth = 192,
        LayersPerBlock = [1, 1],
        CrossAttentionWidth = [64, 64],
        TransformerLayers = [1, 1],
        Heads = [4, 4],
        Frames = ShapesVideo.Frames,
    };

    /// <summary>The scheduler's file.</summary>
    public static JsonElement SchedulerConfig() => JsonSerializer.SerializeToElement(new Dictionary<string, object?>
    {
        ["_class_name"] = "EulerDiscreteScheduler",
        ["_diffusers_version"] = "0.35.0",
        ["beta_end"] = 0.012,
        ["beta_schedule"] = "scaled_linear",
        ["beta_start"] = 0.00085,
        ["interpolation_type"] = "linear",
        ["num_train_timesteps"] = 1000,
        ["prediction_type"] = "v_prediction",
        ["set_alpha_to_one"] = false,
        ["sigma_max"] = LargestSigma,
        ["sigma_min"] = SmallestSigma,
        ["skip_prk_steps"] = true,
        ["steps_offset"] = 1,
        ["timestep_spacing"] = "leading",
        ["timestep_type"] = "continuous",
        ["trained_betas"] = null,
        ["use_karras_sigmas"] = true,
    }, ShipStage.Indented);

    public static void Run(Workshop shop)
    {
        if (s_parts.All(part => IsFinished(shop, part)))
        {
            return;
        }

        (Tensor latents, Tensor images, Tensor embeddings, Tensor noise) = ExcerptStage.Load(shop);
        var lesson = new Lesson(latents, images, embeddings, noise, ExcerptStage.Draw());
        for (int i = 0; i < s_parts.Length; i++)
        {
            if (!IsFinished(shop, s_parts[i]))
            {
                using StableVideoDiffusionUNet network = Make();
                Begin(shop, network, i);
                Train(shop, network, s_parts[i], lesson);
            }
        }
    }

    /// <summary>The moving average of what was trained, frozen.</summary>
    public static StableVideoDiffusionUNet Load(Workshop shop)
    {
        StableVideoDiffusionUNet network = Make();
        TrainingRun.LoadResult(shop.StateFile(Name), network);
        return network;
    }

    private static TrainingPlan Plan(int steps, double peak, int fall) => new()
    {
        Steps = steps,
        PeakRate = 1e-3,
        MatrixRate = peak,
        Fall = fall,
        WarmUp = 50,
        WeightDecay = 1e-2,
        AverageKeep = 0.995,
    };

    private static bool IsFinished(Workshop shop, Part part) =>
        TrainingRun.IsFinished(shop.StateFile(part.Name), part.Plan with { Steps = shop.Steps ?? part.Plan.Steps });

    private static void Begin(Workshop shop, StableVideoDiffusionUNet network, int part)
    {
        if (part == 0)
        {
            using Generator generator = StepRandom.Tensors(s_parts[part].Stream, -1);
            Initializer.Fill(network, generator, Fill);
        }
        else
        {
            TrainingRun.LoadResult(shop.StateFile(s_parts[part - 1].Name), network);
            Parameters.SetTrainable(network, true);
        }

        // Attention to a single token gives that token's value, whatever is asked.
        foreach ((_, Parameter idle) in network.named_parameters().Where(pair =>
            pair.name.Contains("transformer_blocks.", StringComparison.Ordinal) && s_idle.Any(part => pair.name.Contains(part, StringComparison.Ordinal))))
        {
            idle.requires_grad = false;
        }
    }

    private static void Train(Workshop shop, StableVideoDiffusionUNet network, Part part, Lesson lesson)
    {
        using StableVideoDiffusionUNet average = Make();
        using var training = new TrainingRun(shop.StateFile(part.Name), network, average, part.Plan with { Steps = shop.Steps ?? part.Plan.Steps }, shop.Log);
        training.Run((step, half) => Loss(network, part, lesson, (TrainingRun.Parts * step) + half, half));
    }

    private static StableVideoDiffusionUNet Make() => new(Config, Placement.Cpu);

    /// <summary>Blends begin at one half; the last convolution, and the last of every residual block over time, at zero.</summary>
    private static bool Fill(string name, Parameter parameter)
    {
        bool zero = name.StartsWith("conv_out.", StringComparison.Ordinal) || name.Contains(".temporal_res_block.conv2.", StringComparison.Ordinal)
            || name.EndsWith(".mix_factor", StringComparison.Ordinal);
        if (zero)
        {
            parameter.zero_();
        }

        return zero;
    }

    private static Tensor Loss(StableVideoDiffusionUNet network, Part part, Lesson lesson, int draw, int half)
    {
        Random random = StepRandom.Numbers(part.Stream, draw);
        using Generator generator = StepRandom.Tensors(part.Stream, draw);
        int count = part.HalfBatch;
        int[] clips = [.. Enumerable.Range(0, count).Select(_ => random.Next(lesson.Excerpts.Length))];
        Tensor rows = tensor([.. clips.Select(clip => (long)clip)]);
        Tensor variants = tensor([.. clips.Select(_ => (long)random.Next(ExcerptStage.Variants))]);
        (Tensor latentsTold, Tensor embeddingTold) = Told(random, part);

        Tensor sigma = part.Noise.Draw(count, half, random).view(-1, 1, 1, 1, 1);
        Tensor alpha = sigma.square().Add(1).rsqrt();
        Tensor level = sigma * alpha;

        Tensor clean = lesson.Latents.index_select(0, rows);
        if (part.Frames == 1)
        {
            Tensor frames = tensor([.. clips.Select(_ => (long)random.Next(ShapesVideo.Frames))]).view(-1, 1, 1, 1, 1);
            clean = clean.gather(2, frames.expand(-1, clean.shape[1], -1, clean.shape[3], clean.shape[4]));
        }

        Tensor images = lesson.Images[rows, variants] * latentsTold.view(-1, 1, 1, 1);
        Tensor context = lesson.Embeddings[rows, variants] * embeddingTold.view(-1, 1, 1);
        Tensor noise = randn(clean.shape, generator: generator);
        Tensor sample = cat([(alpha * clean).Add(level * noise), images.unsqueeze(2).expand(-1, -1, part.Frames, -1, -1)], 1);
        Tensor rates = tensor([.. clips.Select(clip => lesson.Excerpts[clip].FramesPerSecond - 1f)]);
        Tensor buckets = tensor([.. clips.Select(clip => (float)lesson.Excerpts[clip].MotionBucket)]);
        Tensor added = stack([rates, buckets, lesson.Noise[rows, variants]], 1);
        Tensor velocity = network.Forward(sample, sigma.flatten().log().Div(4), context, added);
        return Ops.Subtract(velocity, Ops.Subtract(alpha * noise, level * clean)).square().mean();
    }

    /// <summary>1 where a clip is told of its image by latents, and by the embedding.</summary>
    private static (Tensor Latents, Tensor Embedding) Told(Random random, Part part)
    {
        double[] draws = [.. Enumerable.Range(0, part.HalfBatch).Select(_ => random.NextDouble())];
        float[] latents = [.. draws.Select(draw => draw < NeitherShare + part.EmbeddingAloneShare ? 0f : 1f)];
        float[] embedding = [.. draws.Select(draw => draw is < NeitherShare or > 1 - LatentsAloneShare ? 0f : 1f)];
        return (tensor(latents), tensor(embedding));
    }

    /// <summary>
    /// What is learned from: latents [N, 4, T, h, w], the variants of the images as <see cref="ExcerptStage"/> has them, and the clips behind them.
    /// </summary>
    private sealed record Lesson(Tensor Latents, Tensor Images, Tensor Embeddings, Tensor Noise, Excerpt[] Excerpts);

    /// <summary>Noise levels, log-normal.</summary>
    /// <param name="Mean">Of the logarithm.</param>
    /// <param name="Std">Of the logarithm.</param>
    private sealed record NoiseLevels(double Mean, double Std)
    {
        /// <summary>Levels of half a batch [count]: each sample of the whole batch has its own slice of the distribution.</summary>
        public Tensor Draw(int count, int half, Random random)
        {
            int slices = count * TrainingRun.Parts;
            float[] shares = [.. Enumerable.Range(0, count).Select(i => (float)(((i * TrainingRun.Parts) + half + random.NextDouble()) / slices))];
            return tensor(shares).Mul(2).Sub(1).Clamp(-0.9999, 0.9999).erfinv().Mul(Std * Math.Sqrt(2)).Add(Mean).exp();
        }
    }

    /// <param name="Name">Of the state file.</param>
    /// <param name="Stream">Of the random numbers.</param>
    /// <param name="Plan">Optimizers and length.</param>
    /// <param name="HalfBatch">Clips of half a batch.</param>
    /// <param name="Frames">Of a clip: all, or 1 for a single one out of it.</param>
    /// <param name="EmbeddingAloneShare">Of the clips: the embedding without latents.</param>
    /// <param name="Noise">Noise levels.</param>
    private sealed record Part(
        string Name, int Stream, TrainingPlan Plan, int HalfBatch, int Frames, double EmbeddingAloneShare, NoiseLevels Noise);
}
