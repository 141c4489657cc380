using System.Text.Json;
using Microsoft.ML.VideoAlignment.Autoencoders;
using Microsoft.ML.VideoAlignment.Denoisers.StableVideo;
using Microsoft.ML.VideoAlignment.MovingShapes.Training;
using Microsoft.ML.VideoAlignment.MovingShapes.World;
using Microsoft.ML.VideoAlignment.Tensors;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.MovingShapes.Stages;

/// <summary>
/// Trains the image-to-video denoiser as Stable Video Diffusion is (Blattmann et al. 2023, arXiv 2311.15127, appendix D): noise levels log-normal
/// (Karras et al. 2022, arXiv 2206.00364), mean square error of v, the clip's picture as an embedding and as latents with a little noise, whose level it is
/// told, together with the rate and the motion bucket. One clip in ten has neither embedding nor latents, for guidance.
/// </summary>
internal static class ImageToVideoStage
{
    public const string Name = "image-to-video";

    /// <summary>Of the sampler. Stable Video Diffusion has .002 and 700 for latents of 14 x 72 x 128 numbers a channel; these have 8 x 8 x 8.</summary>
    public const double SmallestSigma = 0.01, LargestSigma = 80;

    private const int HalfBatch = 8;
    private const double EmptyShare = 0.1;
    private const double SigmaMean = 0.8, SigmaStd = 1.7; // of the logarithm
    private const double CleanShare = 0.3;
    private const double AugmentationMean = -3.3, AugmentationStd = 0.7; // of the logarithm
    private const int Stream = 14;

    private static readonly string[] s_idle = [".norm2.", ".attn2.to_q.", ".attn2.to_k."];

    public static TrainingPlan Plan { get; } = new() { Steps = 4000, PeakRate = 1.5e-3, WarmUp = 100, WeightDecay = 1e-2, AverageKeep = 0.998 };

    public static SvdUNetConfig Config { get; } = new()
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
        Frames = Film.Frames,
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
        TrainingPlan plan = Plan with { Steps = shop.Steps ?? Plan.Steps };
        using SvdUNet average = Make();
        if (!TrainingRun.IsFinished(shop.StateFile(Name), plan))
        {
            (Tensor latents, Tensor embeddings) = ExcerptStage.Load(shop);
            using AutoencoderKLTemporalDecoder vae = TemporalVaeStage.Load(shop, 1);
            using SvdUNet network = Make();
            using (Generator generator = StepRandom.Tensors(Stream, -1))
            {
                Initialiser.Fill(network, generator, Fill);
            }

            // Attention to a single token gives that token's value, whatever is asked.
            foreach ((_, Parameter idle) in network.named_parameters().Where(pair => s_idle.Any(part => pair.name.Contains(part, StringComparison.Ordinal)) && pair.name.Contains("transformer_blocks.", StringComparison.Ordinal)))
            {
                idle.requires_grad = false;
            }

            var lesson = new Lesson(latents, embeddings, ExcerptStage.Draw(), vae);
            using var training = new TrainingRun(shop.StateFile(Name), network, average, plan, shop.Log);
            training.Run((step, half) => Loss(network, lesson, (TrainingRun.Parts * step) + half, half));
        }
    }

    /// <summary>The moving average of what was trained, frozen.</summary>
    public static SvdUNet Load(Workshop shop)
    {
        SvdUNet network = Make();
        TrainingRun.LoadResult(shop.StateFile(Name), network);
        return network;
    }

    private static SvdUNet Make() => new(Config, Placement.Cpu);

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

    private static Tensor Loss(SvdUNet network, Lesson lesson, int draw, int half)
    {
        Random random = StepRandom.Numbers(Stream, draw);
        using Generator generator = StepRandom.Tensors(Stream, draw);
        long[] rows = [.. Enumerable.Range(0, HalfBatch).Select(_ => (long)random.Next(lesson.Excerpts.Length))];
        Excerpt[] excerpts = [.. rows.Select(row => lesson.Excerpts[row])];

        // Each sample of the whole batch has its own slice of the noise levels' distribution.
        float[] shares = [.. Enumerable.Range(0, HalfBatch).Select(i => (float)(((i * TrainingRun.Parts) + half + random.NextDouble()) / (HalfBatch * TrainingRun.Parts)))];
        Tensor normal = Math.Sqrt(2) * ((2 * tensor(shares)) - 1).clamp(-0.9999, 0.9999).erfinv();
        Tensor sigma = (SigmaMean + (SigmaStd * normal)).exp();
        Tensor alpha = (sigma.square() + 1).rsqrt().view(-1, 1, 1, 1, 1);
        Tensor level = sigma.view(-1, 1, 1, 1, 1) * alpha;

        float[] strengths = [.. excerpts.Select(_ => random.NextDouble() < CleanShare ? 0 : (float)Math.Exp(AugmentationMean + (AugmentationStd * Gaussian(random))))];
        float[] told = [.. excerpts.Select(_ => random.NextDouble() < EmptyShare ? 0f : 1f)];
        Tensor tells = tensor(told);
        Tensor added = tensor(
            excerpts.SelectMany((excerpt, i) => new[] { excerpt.FramesPerSecond - 1f, excerpt.MotionBucket, strengths[i] }).ToArray(), [HalfBatch, 3]);
        Tensor pictures;
        using (no_grad())
        {
            Tensor first = (RatedFrames.Soften(Excerpt.PaintFirst(excerpts), random) * 2) - 1;
            pictures = lesson.Vae.Encode(first + (tensor(strengths).view(-1, 1, 1, 1) * randn(first.shape, generator: generator))).Mean * tells.view(-1, 1, 1, 1);
        }

        Tensor clips = lesson.Latents.index_select(0, tensor(rows));
        Tensor noise = randn(clips.shape, generator: generator);
        Tensor sample = cat([(alpha * clips) + (level * noise), pictures.unsqueeze(2).expand(-1, -1, Film.Frames, -1, -1)], 1);
        Tensor context = lesson.Embeddings.index_select(0, tensor(rows)) * tells.view(-1, 1, 1);
        Tensor velocity = network.Forward(sample, sigma.log() / 4, context, added);
        return (velocity - ((alpha * noise) - (level * clips))).square().mean();
    }

    private static double Gaussian(Random random) => Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());

    /// <summary>What is learned from: latents [N, 4, T, h, w], embeddings [N, 1, 64], the clips behind them, and the encoder of the pictures.</summary>
    private sealed record Lesson(Tensor Latents, Tensor Embeddings, Excerpt[] Excerpts, AutoencoderKLTemporalDecoder Vae);
}
