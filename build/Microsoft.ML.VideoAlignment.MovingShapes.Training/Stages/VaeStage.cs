using Microsoft.ML.VideoAlignment.Models;
using Microsoft.ML.VideoAlignment.MovingShapes.Training;
using Microsoft.ML.VideoAlignment.MovingShapes.World;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.MovingShapes.Stages;

/// <summary>
/// Trains the image autoencoder: mean square error, three times that of the color alone (a pixel less its gray), and a small KL term. Most images are
/// crowds, four figures on one backdrop, because a video has too few colored pixels.
/// </summary>
internal static class VaeStage
{
    public const string Name = "vae";

    private const double ColorWeight = 3;
    private const double DivergenceWeight = 1e-6; // of the divergence summed over an image's latents
    // of each half batch
    private const int Crowds = 5;
    private const int RatedFrames = 2;
    private const int DullFrames = 1;
    private const int Stream = 1;
    private const int UnseenStream = 101;

    public static TrainingPlan Plan { get; } = new() { Steps = 3000, PeakRate = 3e-3 };

    public static AutoencoderKLConfig Config(double scalingFactor) => new()
    {
        BlockOutChannels = [16, 32, 64],
        LayersPerBlock = 1,
        LatentChannels = 4,
        NormGroups = 4,
        ScalingFactor = scalingFactor,
    };

    public static void Run(Workshop shop)
    {
        using var network = new AutoencoderKL(Config(1), Placement.Cpu);
        using (Generator generator = StepRandom.Tensors(Stream, -1))
        {
            Initializer.Fill(network, generator);
            QuietPosterior(network);
        }

        using var training = new TrainingRun(shop.StateFile(Name), network, null, Plan with { Steps = shop.Steps ?? Plan.Steps }, shop.Log);
        training.Run((step, part) => Loss(network, (TrainingRun.Parts * step) + part));

        using IDisposable guard = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor unseen = Images(StepRandom.Numbers(UnseenStream, 0), crowds: 64, rated: 0, dull: 0);
        shop.Note("vae mse crowds", Error(network, unseen));
        Tensor videos = Images(StepRandom.Numbers(UnseenStream, 1), crowds: 0, rated: 0, dull: 256);
        shop.Note("vae mse dull frames", Error(network, videos));
        shop.Note("latent std", network.Encode((videos * 2) - 1).Mean.std().item<float>());
        Tensor sample = cat([unseen.narrow(0, 0, 8), videos.narrow(0, 0, 8)], 0);
        Tensor again = ((network.Decode(network.Encode((sample * 2) - 1).Mean) + 1) / 2).clamp(0, 1);
        ContactSheet.Write(cat([sample.unsqueeze(2), again.unsqueeze(2)], 2), Path.Combine(shop.Folder, "vae.png"));
    }

    /// <summary>The trained network, frozen.</summary>
    public static AutoencoderKL Load(Workshop shop, double scalingFactor)
    {
        var network = new AutoencoderKL(Config(scalingFactor), Placement.Cpu);
        TrainingRun.LoadResult(shop.StateFile(Name), network);
        return network;
    }

    private static Tensor Loss(AutoencoderKL network, int draw)
    {
        Tensor x = (Images(StepRandom.Numbers(Stream, draw)) * 2) - 1;
        (Tensor mean, Tensor logVariance) = network.Encode(x);
        using Generator generator = StepRandom.Tensors(Stream, draw);
        Tensor noise = randn(mean.shape, generator: generator);
        Tensor y = network.Decode(network.Sample(mean, logVariance, noise));
        Tensor error = y - x;
        Tensor color = error - error.mean([1], keepdim: true);
        Tensor divergence = 0.5 * (mean.square() + logVariance.exp() - 1 - logVariance).sum([1, 2, 3]).mean();
        return error.square().mean() + (ColorWeight * color.square().mean()) + (DivergenceWeight * divergence);
    }

    private static double Error(AutoencoderKL network, Tensor images)
    {
        Tensor x = (images * 2) - 1;
        return (network.Decode(network.Encode(x).Mean) - x).square().mean().item<float>();
    }

    /// <summary>Log-variances begin at about -6: a posterior as wide as torch's default would drown the image and stall the first thousand steps.</summary>
    private static void QuietPosterior(AutoencoderKL network)
    {
        using IDisposable guard = no_grad();
        using DisposeScope scope = NewDisposeScope();
        foreach ((string name, TorchSharp.Modules.Parameter parameter) in network.named_parameters()
            .Where(pair => pair.name.StartsWith("quant_conv", StringComparison.Ordinal)))
        {
            Tensor logVariance = parameter.narrow(0, parameter.shape[0] / 2, parameter.shape[0] / 2);
            if (name.EndsWith("bias", StringComparison.Ordinal))
            {
                logVariance.fill_(-6);
            }
            else
            {
                logVariance.mul_(0.1);
            }
        }
    }

    private static Tensor Images(Random random, int crowds = Crowds, int rated = RatedFrames, int dull = DullFrames)
    {
        int count = crowds + rated + dull;
        float[] pixels = new float[count * ShapesVideo.FrameLength];
        for (int i = 0; i < count; i++)
        {
            Span<float> image = pixels.AsSpan(i * ShapesVideo.FrameLength, ShapesVideo.FrameLength);
            if (i >= crowds)
            {
                Painter.Paint(ShapesVideo.Draw(random, dull: i >= crowds + rated), random.Next(ShapesVideo.Frames), image);
                continue;
            }

            for (int figure = 0; figure < 4; figure++)
            {
                ShapesVideo video = ShapesVideo.Draw(random, dull: false);
                if (figure == 0)
                {
                    Painter.Paint(video.Backdrop, image);
                }

                Painter.Paint(video.Figure with { CenterX = 4 + (24 * random.NextSingle()), CenterY = 4 + (24 * random.NextSingle()) },
                    random.Next(ShapesVideo.Frames), image);
            }
        }

        return tensor(pixels, [count, 3, ShapesVideo.Size, ShapesVideo.Size]);
    }
}
