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
/// told, together with the rate and the motion bucket. One clip in ten has neither embedding nor latents, for guidance.
/// </summary>
internal static class ImageToVideoStage
{
    public const string Name = "image-to-video";

    /// <summary>Of the sampler. Stable Video Diffusion has .002 and 700 for latents of 14 x 72 x 128 numbers a channel; these have 8 x 8 x 8.</summary>
    public const double SmallestSigma = 0.01, LargestSigma = 80;

    private const int HalfBatch = 8;
    private const double EmptyShare = 0.1;
    private const double WideMean = 0.8, WideStd = 1.7; // of the logarithm of the noise level: all that a sampler goes through
    private const double MiddleMean = 0.2, MiddleStd = 1; // where shapes are decided
    private const double CleanShare = 0.3;
    private const double AugmentationMean = -3.3, AugmentationStd = 0.7; // of the logarithm

    private static readonly string[] s_idle = [".norm2.", ".attn2.to_q.", ".attn2.to_k."];

    /// <summary>Each part goes on from the result of the one before. The first is broken off in the middle of its plan.</summary>
    private static readonly Part[] s_parts =
    [
        new("image-to-video-motion", Stream: 14, Plan(4000, peak: 1.5e-3, warmUp: 100), UpTo: 2000, WideOfHalf: HalfBatch),
        new(Name, Stream: 17, Plan(2000, peak: 1.2e-3, warmUp: 40), UpTo: int.MaxValue, WideOfHalf: 2),
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
    });

    public static void Run(Workshop shop)
    {
        if (s_parts.All(part => IsFinished(shop, part)))
        {
            return;
        }

        (Tensor latents, Tensor embeddings) = ExcerptStage.Load(shop);
        using AutoencoderKLTemporalDecoder vae = TemporalVaeStage.Load(shop, 1);
        var lesson = new Lesson(latents, embeddings, ExcerptStage.Draw(), vae);
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

    private static TrainingPlan Plan(int steps, double peak, int warmUp) =>
        new() { Steps = steps, PeakRate = peak, WarmUp = warmUp, WeightDecay = 1e-2, AverageKeep = 0.998 };

    private static bool IsFinished(Workshop shop, Part part) =>
        TrainingRun.IsFinished(shop.StateFile(part.Name), part.Plan with { Steps = Math.Min(part.UpTo, shop.Steps ?? part.Plan.Steps) });

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
        training.Run((step, half) => Loss(network, part, lesson, (TrainingRun.Parts * step) + half, half), upTo: part.UpTo);
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
        long[] rows = [.. Enumerable.Range(0, HalfBatch).Select(_ => (long)random.Next(lesson.Excerpts.Length))];
        Excerpt[] excerpts = [.. rows.Select(row => lesson.Excerpts[row])];

        Tensor wide = Sigmas(part.WideOfHalf, WideMean, WideStd);
        Tensor sigma = part.WideOfHalf == HalfBatch ? wide : cat([wide, Sigmas(HalfBatch - part.WideOfHalf, MiddleMean, MiddleStd)]);
        Tensor alpha = (sigma.square() + 1).rsqrt().view(-1, 1, 1, 1, 1);
        Tensor level = sigma.view(-1, 1, 1, 1, 1) * alpha;

        float[] strengths = [.. excerpts.Select(_ => random.NextDouble() < CleanShare ? 0
            : (float)Math.Exp(AugmentationMean + (AugmentationStd * Gaussian(random))))];
        float[] told = [.. excerpts.Select(_ => random.NextDouble() < EmptyShare ? 0f : 1f)];
        Tensor tells = tensor(told);
        Tensor added = tensor(
            excerpts.SelectMany((excerpt, i) => new[] { excerpt.FramesPerSecond - 1f, excerpt.MotionBucket, strengths[i] }).ToArray(), [HalfBatch, 3]);
        Tensor images;
        using (no_grad())
        {
            Tensor first = (RatedFrames.Soften(Excerpt.PaintFirst(excerpts), random) * 2) - 1;
            images = lesson.Vae.Encode(first + (tensor(strengths).view(-1, 1, 1, 1) * randn(first.shape, generator: generator))).Mean * tells.view(-1, 1, 1, 1);
        }

        Tensor clips = lesson.Latents.index_select(0, tensor(rows));
        Tensor noise = randn(clips.shape, generator: generator);
        Tensor sample = cat([(alpha * clips) + (level * noise), images.unsqueeze(2).expand(-1, -1, ShapesVideo.Frames, -1, -1)], 1);
        Tensor context = lesson.Embeddings.index_select(0, tensor(rows)) * tells.view(-1, 1, 1);
        Tensor velocity = network.Forward(sample, sigma.log() / 4, context, added);
        return (velocity - ((alpha * noise) - (level * clips))).square().mean();

        // Each sample of the whole batch has its own slice of the distribution.
        Tensor Sigmas(int count, double mean, double std)
        {
            int slices = count * TrainingRun.Parts;
            float[] shares = [.. Enumerable.Range(0, count).Select(i => (float)(((i * TrainingRun.Parts) + half + random.NextDouble()) / slices))];
            return (mean + (std * Math.Sqrt(2) * ((2 * tensor(shares)) - 1).clamp(-0.9999, 0.9999).erfinv())).exp();
        }
    }

    private static double Gaussian(Random random) => Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());

    /// <summary>What is learned from: latents [N, 4, T, h, w], embeddings [N, 1, 64], the clips behind them, and the encoder of the images.</summary>
    private sealed record Lesson(Tensor Latents, Tensor Embeddings, Excerpt[] Excerpts, AutoencoderKLTemporalDecoder Vae);

    /// <param name="Name">Of the state file.</param>
    /// <param name="Stream">Of the random numbers.</param>
    /// <param name="Plan">Optimiser and length.</param>
    /// <param name="UpTo">Step at which it ends, if that is before the plan's.</param>
    /// <param name="WideOfHalf">How many clips of a half batch have a noise level from the wide distribution; the others' are from the middle.</param>
    private sealed record Part(string Name, int Stream, TrainingPlan Plan, int UpTo, int WideOfHalf);
}
