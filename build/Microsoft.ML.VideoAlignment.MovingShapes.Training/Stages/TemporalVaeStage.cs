using Microsoft.ML.VideoAlignment.Models;
using Microsoft.ML.VideoAlignment.Models.StableVideoDiffusion;
using Microsoft.ML.VideoAlignment.MovingShapes.Training;
using Microsoft.ML.VideoAlignment.MovingShapes.World;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.MovingShapes.Stages;

/// <summary>
/// Trains the autoencoder of the image-to-video model on clips of two, four and eight frames: <see cref="VaeStage"/>'s loss. The embedded text-to-video
/// autoencoder cannot be taken over: Stable Video Diffusion's has 32 groups in every norm, so no level may be narrower than 64 channels (with 32 each
/// channel is a group, and the last norm would remove the brightness of an image).
/// </summary>
internal static class TemporalVaeStage
{
    public const string Name = "temporal-vae";

    private const double ColorWeight = 3;
    private const double DivergenceWeight = 1e-6; // of the divergence summed over a picture's latents
    private const double OutlineWeight = 0.1; // of the mean absolute error, for the decoder alone
    private const double LargestNoise = 0.2; // latents have a standard deviation of 1.8
    private const int HalfBatch = 8; // frames
    private const int CrowdSize = 4;
    private const int HeldOutStream = 111;

    /// <summary>Frames of a clip, step by step.</summary>
    private static readonly int[] s_lengths = [2, 8, 4];

    /// <summary>Each part goes on from the result of the one before.</summary>
    private static readonly Part[] s_parts =
    [
        new("temporal-vae", Stream: 11, new TrainingPlan { Steps = 1400, PeakRate = 2e-3 }, CrowdShare: 0.5),
        new("temporal-vae-again", Stream: 15, new TrainingPlan { Steps = 700, PeakRate = 1.5e-3, WarmUp = 30 }, CrowdShare: 0.3),
        new("temporal-decoder", Stream: 16, new TrainingPlan { Steps = 900, PeakRate = 1.5e-3, WarmUp = 30 }, CrowdShare: 0.1) { DecoderOnly = true },
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
        for (int i = 0; i < s_parts.Length; i++)
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
        Tensor crowds = Clips(StepRandom.Numbers(HeldOutStream, 0), 16, ShapesVideo.Frames, crowdShare: 1);
        Tensor clips = Clips(StepRandom.Numbers(HeldOutStream, 1), 32, ShapesVideo.Frames, crowdShare: 0);
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
        else
        {
            TrainingRun.LoadResult(shop.StateFile(s_parts[part - 1].Name), network);
        }
    }

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

        using var training = new TrainingRun(shop.StateFile(part.Name), network, null, part.Plan with { Steps = shop.Steps ?? part.Plan.Steps }, shop.Log);
        training.Run((step, half) => Loss(network, part, s_lengths[step % s_lengths.Length], (TrainingRun.Parts * step) + half));
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
        Tensor x = (Rows(Clips(StepRandom.Numbers(part.Stream, draw), HalfBatch / frames, frames, part.CrowdShare)) * 2) - 1;
        using Generator generator = StepRandom.Tensors(part.Stream, draw);
        if (part.DecoderOnly)
        {
            Tensor z = Disturbed(network, x, generator);
            Tensor difference = network.Decode(z, frames) - x;
            return difference.square().mean() + (ColorWeight * Color(difference).square().mean()) + (OutlineWeight * difference.abs().mean());
        }

        (Tensor mean, Tensor logVariance) = network.Encode(x);
        Tensor y = network.Decode(mean + ((logVariance / 2).exp() * randn(mean.shape, generator: generator)), frames);
        Tensor error = y - x;
        Tensor divergence = 0.5 * (mean.square() + logVariance.exp() - 1 - logVariance).sum([1, 2, 3]).mean();
        return error.square().mean() + (ColorWeight * Color(error).square().mean()) + (DivergenceWeight * divergence);
    }

    /// <summary>
    /// Latents that the decoder learns to make images of: the posterior's mean, for each frame with noise of a width of its own, as a denoiser leaves some.
    /// </summary>
    private static Tensor Disturbed(AutoencoderKLTemporalDecoder network, Tensor x, Generator generator)
    {
        using IDisposable guard = no_grad();
        Tensor mean = network.Encode(x).Mean;
        return mean + (LargestNoise * rand([mean.shape[0], 1, 1, 1], generator: generator) * randn(mean.shape, generator: generator));
    }

    /// <summary>A pixel less its gray.</summary>
    private static Tensor Color(Tensor images) => images - images.mean([1], keepdim: true);

    private static double Error(AutoencoderKLTemporalDecoder network, Tensor clips)
    {
        Tensor x = (Rows(clips) * 2) - 1;
        return (network.Decode(network.Encode(x).Mean, ShapesVideo.Frames) - x).square().mean().item<float>();
    }

    /// <summary>How many painted videos show their shape still when they come out of the autoencoder.</summary>
    private static void NoteShapes(Workshop shop, AutoencoderKLTemporalDecoder network)
    {
        Random random = StepRandom.Numbers(HeldOutStream, 2);
        ShapesVideo[] videos = [.. Enumerable.Range(0, 96).Select(i => ShapesVideo.Draw(random, dull: i % 2 == 0))];
        Tensor again = Decode(network, network.Encode((Rows(Painter.PaintVideos(videos)) * 2) - 1).Mean);
        Subject[] seen = [.. ShapesJudge.Read(again)];
        shop.Note("temporal vae shape", videos.Zip(seen).Average(pair => pair.First.Subject.Shape == pair.Second.Shape ? 1.0 : 0));
        shop.Note("temporal vae subject", videos.Zip(seen).Average(pair => pair.First.Subject == pair.Second ? 1.0 : 0));
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

    /// <summary>Clips [N, 3, T, 32, 32]: the first frames of excerpts, some with four figures that each move their own way.</summary>
    private static Tensor Clips(Random random, int count, int frames, double crowdShare)
    {
        float[] pixels = new float[count * frames * ShapesVideo.FrameLength];
        for (int clip = 0; clip < count; clip++)
        {
            Excerpt[] figures = [.. Enumerable.Range(0, random.NextDouble() < crowdShare ? CrowdSize : 1).Select(_ => Excerpt.Draw(random))];
            for (int frame = 0; frame < frames; frame++)
            {
                Span<float> image = pixels.AsSpan(((clip * frames) + frame) * ShapesVideo.FrameLength, ShapesVideo.FrameLength);
                Painter.Paint(figures[0].Backdrop, image);
                foreach (Excerpt figure in figures)
                {
                    Painter.Paint(figure.At(frame), 0, image);
                }
            }
        }

        using Tensor rows = tensor(pixels, [count, frames, 3, ShapesVideo.Size, ShapesVideo.Size]);
        return rows.permute(0, 2, 1, 3, 4).contiguous();
    }

    /// <param name="Name">Of the state file.</param>
    /// <param name="Stream">Of the random numbers.</param>
    /// <param name="Plan">Optimiser and length.</param>
    /// <param name="CrowdShare">Of the clips: how many have four figures.</param>
    private sealed record Part(string Name, int Stream, TrainingPlan Plan, double CrowdShare)
    {
        /// <summary>The encoder stays as it is: the denoiser learns from its latents meanwhile.</summary>
        public bool DecoderOnly { get; init; }
    }
}
