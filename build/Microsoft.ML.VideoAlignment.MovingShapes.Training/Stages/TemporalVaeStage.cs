using Microsoft.ML.VideoAlignment.Models;
using Microsoft.ML.VideoAlignment.Models.StableVideoDiffusion;
using Microsoft.ML.VideoAlignment.MovingShapes.Training;
using Microsoft.ML.VideoAlignment.MovingShapes.World;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.MovingShapes.Stages;

/// <summary>
/// Trains the autoencoder of the image-to-video model so that a shape stays what it is when its latents are a little wrong: noise on the latents that the
/// decoder sees, and outlines that count more. The embedded text-to-video autoencoder cannot be taken over: Stable Video Diffusion's has 32 groups in every
/// norm, so no level may be narrower than 64 channels (with 32 each channel is a group, and the last norm would remove the brightness of an image).
/// </summary>
/// <remarks>
/// Noise comes after parts without: single frames, 16 different ones a step (frames of a clip are alike), then the decoder alone, clips and single frames in
/// turn, for what it has over time.
/// </remarks>
internal static class TemporalVaeStage
{
    public const string Name = "temporal-vae";

    private const double ColorWeight = 3;
    private const double DivergenceWeight = 1e-6; // of the divergence summed over an image's latents
    private const int HalfBatch = 8; // frames
    private const int CrowdSize = 4;
    private const int UnseenStream = 111;

    private const int FirstParts = 3; // clips as they are; what follows makes shapes stand noise

    /// <summary>Each part goes on from the result of the one before.</summary>
    private static readonly Part[] s_parts =
    [
        new("temporal-vae", Stream: 11, new TrainingPlan { Steps = 1400, PeakRate = 2e-3 }, Lengths: [2, 8, 4], CrowdShare: 0.5),
        new("temporal-vae-again", Stream: 15, new TrainingPlan { Steps = 700, PeakRate = 1.5e-3, WarmUp = 30 }, Lengths: [2, 8, 4], CrowdShare: 0.3),
        new("temporal-decoder", Stream: 16, new TrainingPlan { Steps = 900, PeakRate = 1.5e-3, WarmUp = 30 }, Lengths: [2, 8, 4], CrowdShare: 0.1)
        {
            DecoderOnly = true,
            LargestNoise = 0.1,
            AbsoluteWeight = 0.1,
        },
        new("temporal-vae-robust", Stream: 18, new TrainingPlan { Steps = 900, PeakRate = 1.5e-3, WarmUp = 50, AverageKeep = 0.99 },
            Lengths: [1], CrowdShare: 0.2)
        {
            LargestNoise = 0.8,
            AbsoluteWeight = 0.05,
            OutlineWeight = 3,
            SizeWeight = 2e-3,
        },
        new("temporal-decoder-robust", Stream: 19, new TrainingPlan { Steps = 400, PeakRate = 1e-3, WarmUp = 30, AverageKeep = 0.99 },
            Lengths: [ShapesVideo.Frames, 1], CrowdShare: 0.1)
        {
            DecoderOnly = true,
            LargestNoise = 0.5,
            AbsoluteWeight = 0.05,
            OutlineWeight = 3,
        },
    ];

    /// <summary>State names of the parts, in order.</summary>
    public static IEnumerable<string> PartNames => s_parts.Select(part => part.Name);

    public static AutoencoderKLConfig Config(double scalingFactor) => new()
    {
        BlockOutChannels = [64, 64, 64],
        LayersPerBlock = 1,
        LatentChannels = 4,
        ScalingFactor = scalingFactor,
    };

    public static void Run(Workshop shop)
    {
        using AutoencoderKLTemporalDecoder network = Make(1);
        for (int i = HasFirst(shop) ? FirstParts : 0; i < s_parts.Length; i++)
        {
            if (!TrainingRun.IsFinished(shop.StateFile(s_parts[i].Name), s_parts[i].Plan))
            {
                Begin(shop, network, i);
                Train(shop, network, s_parts[i]);
            }
        }

        TrainingRun.LoadResult(shop.StateFile(s_parts[^1].Name), network);
        using IDisposable guard = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor crowds = Clips(StepRandom.Numbers(UnseenStream, 0), 16, ShapesVideo.Frames, crowdShare: 1);
        Tensor clips = Clips(StepRandom.Numbers(UnseenStream, 1), 32, ShapesVideo.Frames, crowdShare: 0);
        NoteShapes(shop, network);
        shop.Note("temporal vae mse crowds", Error(network, crowds));
        shop.Note("temporal vae mse clips", Error(network, clips));
        Tensor sample = cat([crowds.narrow(0, 0, 4), clips.narrow(0, 0, 4)], 0);
        Tensor again = Decode(network, network.Encode((Rows(sample) * 2) - 1).Mean);
        ContactSheet.Write(stack([sample, again], 1).flatten(0, 1), Path.Combine(shop.Folder, "temporal-vae.png"));
    }

    /// <summary>The trained network, frozen.</summary>
    public static AutoencoderKLTemporalDecoder Load(Workshop shop, double scalingFactor)
    {
        AutoencoderKLTemporalDecoder network = Make(scalingFactor);
        TrainingRun.LoadResult(shop.StateFile(s_parts[^1].Name), network);
        return network;
    }

    private static void Begin(Workshop shop, AutoencoderKLTemporalDecoder network, int part)
    {
        if (part == 0)
        {
            using Generator generator = StepRandom.Tensors(s_parts[part].Stream, -1);
            Initializer.Fill(network, generator, (name, parameter) => Fill(name, parameter, generator));
        }
        else if (part == FirstParts && HasFirst(shop))
        {
            using IWeightSource shipped = WeightFile.Open(ShippedFile(shop));
            WeightLoader.Load(network, shipped);
        }
        else
        {
            TrainingRun.LoadResult(shop.StateFile(s_parts[part - 1].Name), network);
        }
    }

    private static string ShippedFile(Workshop shop) => Path.Combine(shop.Ship, ImageToVideoFiles.Folder, "vae", "diffusion_pytorch_model.safetensors");

    /// <summary>Whether the result of the first parts ships and their states are gone: they are not trained again.</summary>
    private static bool HasFirst(Workshop shop) => !File.Exists(shop.StateFile(s_parts[0].Name)) && File.Exists(ShippedFile(shop));

    private static void Train(Workshop shop, AutoencoderKLTemporalDecoder network, Part part)
    {
        Parameters.SetTrainable(network, true);

        // A middle of one block has an attention that is in the file and takes no part.
        foreach ((_, TorchSharp.Modules.Parameter idle) in network.named_parameters().Where(pair =>
            pair.name.StartsWith("decoder.mid_block.attentions.", StringComparison.Ordinal)
                || (part.DecoderOnly && !pair.name.StartsWith("decoder.", StringComparison.Ordinal))))
        {
            idle.requires_grad = false;
        }

        using AutoencoderKLTemporalDecoder average = Make(1);
        using var training = new TrainingRun(shop.StateFile(part.Name), network, average, part.Plan with { Steps = shop.Steps ?? part.Plan.Steps }, shop.Log);
        training.Run((step, half) => Loss(network, part, part.Lengths[step % part.Lengths.Length], (TrainingRun.Parts * step) + half));
    }

    private static AutoencoderKLTemporalDecoder Make(double scalingFactor) => new(Config(scalingFactor), Placement.Cpu);

    /// <summary>It begins as a decoder of single images: what is over time adds nothing, and its share is small.</summary>
    private static bool Fill(string name, TorchSharp.Modules.Parameter parameter, Generator generator)
    {
        const float Share = -1; // sigmoid(-1) = .27
        if (name.EndsWith(".mix_factor", StringComparison.Ordinal))
        {
            parameter.fill_(Share);
        }
        else if (name.Contains(".temporal_res_block.conv2.", StringComparison.Ordinal) || name == "decoder.time_conv_out.bias")
        {
            parameter.zero_();
        }
        else if (name == "decoder.time_conv_out.weight")
        {
            using Tensor identity = eye(3);
            parameter.zero_();
            parameter.select(2, 1).squeeze_(-1).squeeze_(-1).copy_(identity);
        }
        else if (name.StartsWith("quant_conv.", StringComparison.Ordinal))
        {
            QuietPosterior(parameter, generator);
        }
        else
        {
            return false;
        }

        return true;
    }

    /// <summary>Log-variances begin at about -6, as in <see cref="VaeStage"/>.</summary>
    private static void QuietPosterior(TorchSharp.Modules.Parameter parameter, Generator generator)
    {
        using DisposeScope scope = NewDisposeScope();
        long channels = parameter.shape[0];
        double bound = 1 / Math.Sqrt(channels);
        parameter.uniform_(-bound, bound, generator);
        Tensor logVariance = parameter.narrow(0, channels / 2, channels / 2);
        logVariance.mul_(0.1);
        if (parameter.dim() == 1)
        {
            logVariance.fill_(-6);
        }
    }

    private static Tensor Loss(AutoencoderKLTemporalDecoder network, Part part, int frames, int draw)
    {
        Tensor x = Rows(Clips(StepRandom.Numbers(part.Stream, draw), HalfBatch / frames, frames, part.CrowdShare)).Mul(2).Sub(1);
        using Generator generator = StepRandom.Tensors(part.Stream, draw);
        Tensor mean, logVariance;
        using (part.DecoderOnly ? no_grad() : null)
        {
            (mean, logVariance) = network.Encode(x);
        }

        Tensor sample = mean + (logVariance.Div(2).exp() * randn(mean.shape, generator: generator));
        Tensor error = network.Decode(Disturbed(sample, mean, part.LargestNoise, generator), frames) - x;
        error *= Outline(x).Mul(part.OutlineWeight).Add(1).sqrt();
        Tensor loss = error.square().mean() + Color(error).square().mean().Mul(ColorWeight) + error.abs().mean().Mul(part.AbsoluteWeight);
        if (part.DecoderOnly)
        {
            return loss;
        }

        Tensor divergence = (mean.square() + logVariance.exp().Sub(1) - logVariance).sum([1, 2, 3]).mean().Div(2);
        return loss + divergence.Mul(DivergenceWeight) + mean.square().mean().Mul(part.SizeWeight);
    }

    /// <summary>Latents with noise, for each frame of a width of its own, as a denoiser leaves some.</summary>
    /// <param name="latents">[N, 4, h, w].</param>
    /// <param name="mean">The posterior's, whose standard deviation is the noise's unit.</param>
    /// <param name="largest">Largest width.</param>
    /// <param name="generator">Source of every draw.</param>
    public static Tensor Disturbed(Tensor latents, Tensor mean, double largest, Generator generator) =>
        latents + (mean.detach().std().Mul(largest) * rand([latents.shape[0], 1, 1, 1], generator: generator) * randn(latents.shape, generator: generator));

    /// <summary>How far the pixels around a pixel lie apart, mean over red, green and blue: [N, 3, H, W] -> [N, 1, H, W].</summary>
    private static Tensor Outline(Tensor images)
    {
        Tensor highest = nn.functional.max_pool2d(images, 3, 1, 1);
        Tensor lowest = -nn.functional.max_pool2d(-images, 3, 1, 1);
        return (highest - lowest).mean([1], keepdim: true);
    }

    /// <summary>A pixel less its gray.</summary>
    private static Tensor Color(Tensor images) => images - images.mean([1], keepdim: true);

    private static double Error(AutoencoderKLTemporalDecoder network, Tensor clips)
    {
        Tensor x = (Rows(clips) * 2) - 1;
        return (network.Decode(network.Encode(x).Mean, ShapesVideo.Frames) - x).square().mean().item<float>();
    }

    /// <summary>How many painted videos show their shape still when they come out of the autoencoder, without and with noise on their latents.</summary>
    private static void NoteShapes(Workshop shop, AutoencoderKLTemporalDecoder network)
    {
        Random random = StepRandom.Numbers(UnseenStream, 2);
        using Generator generator = StepRandom.Tensors(UnseenStream, 2);
        ShapesVideo[] videos = [.. Enumerable.Range(0, 96).Select(i => ShapesVideo.Draw(random, dull: i % 2 == 0))];
        Tensor mean = network.Encode((Rows(Painter.PaintVideos(videos)) * 2) - 1).Mean;
        shop.Note("temporal vae std", mean.std().item<float>());
        foreach (double noise in (double[])[0, 0.4, 0.8])
        {
            Subject[] seen = [.. ShapesJudge.Read(Decode(network, mean + (noise * mean.std() * randn(mean.shape, generator: generator))))];
            shop.Note(FormattableString.Invariant($"temporal vae shape, noise {noise}"), Share((truth, found) => truth.Shape == found.Shape));
            shop.Note(FormattableString.Invariant($"temporal vae color, noise {noise}"), Share((truth, found) => truth.Color == found.Color));

            double Share(Func<Subject, Subject, bool> right) => videos.Zip(seen).Average(pair => right(pair.First.Subject, pair.Second) ? 1.0 : 0);
        }
    }

    /// <summary>z: [N*8, 4, 8, 8], unscaled -> videos [N, 3, 8, 32, 32] in [0, 1].</summary>
    public static Tensor Decode(AutoencoderKLTemporalDecoder network, Tensor z)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor images = ((network.Decode(z, ShapesVideo.Frames) + 1) / 2).clamp(0, 1);
        return images.unflatten(0, [-1, ShapesVideo.Frames]).transpose(1, 2).contiguous().MoveToOuterDisposeScope();
    }

    /// <summary>[N, 3, T, H, W] -> [N*T, 3, H, W].</summary>
    public static Tensor Rows(Tensor clips) => clips.transpose(1, 2).flatten(0, 1);

    /// <summary>Clips [N, 3, T, 32, 32]: consecutive frames of excerpts, some with four figures that each move their own way.</summary>
    private static Tensor Clips(Random random, int count, int frames, double crowdShare)
    {
        float[] pixels = new float[count * frames * ShapesVideo.FrameLength];
        for (int clip = 0; clip < count; clip++)
        {
            Excerpt[] figures = [.. Enumerable.Range(0, random.NextDouble() < crowdShare ? CrowdSize : 1).Select(_ => Excerpt.Draw(random))];
            int first = random.Next(ShapesVideo.Frames - frames + 1);
            for (int frame = 0; frame < frames; frame++)
            {
                Span<float> image = pixels.AsSpan(((clip * frames) + frame) * ShapesVideo.FrameLength, ShapesVideo.FrameLength);
                Painter.Paint(figures[0].Backdrop, image);
                foreach (Excerpt figure in figures)
                {
                    Painter.Paint(figure.At(first + frame), 0, image);
                }
            }
        }

        using Tensor rows = tensor(pixels, [count, frames, 3, ShapesVideo.Size, ShapesVideo.Size]);
        return rows.permute(0, 2, 1, 3, 4).contiguous();
    }

    /// <param name="Name">Of the state file.</param>
    /// <param name="Stream">Of the random numbers.</param>
    /// <param name="Plan">Optimizer and length.</param>
    /// <param name="Lengths">Frames of a clip, step by step.</param>
    /// <param name="CrowdShare">Of the clips: how many have four figures.</param>
    private sealed record Part(string Name, int Stream, TrainingPlan Plan, int[] Lengths, double CrowdShare)
    {
        /// <summary>The encoder stays as it is.</summary>
        public bool DecoderOnly { get; init; }

        /// <summary>Width of the noise on the latents, in units of their standard deviation.</summary>
        public double LargestNoise { get; init; }

        /// <summary>Of the mean absolute error.</summary>
        public double AbsoluteWeight { get; init; }

        /// <summary>How much more an outline's errors count than a plain area's.</summary>
        public double OutlineWeight { get; init; }

        /// <summary>Of the latents' mean square, which noise on them would let grow without end.</summary>
        public double SizeWeight { get; init; }
    }
}
