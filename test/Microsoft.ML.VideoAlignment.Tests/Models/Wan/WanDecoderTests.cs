using Microsoft.ML.VideoAlignment.Models.Wan;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

public class WanDecoderTests
{
    private static readonly int[][] s_choices = [[0], [16], [3], [5, 6], [12, 9, 9], [0, 16], [2, 7, 15]];

    [Test]
    public void ChosenFramesAreThoseOfTheWhole([ValueSource(nameof(s_choices))] int[] chosen, [Values] bool residual)
    {
        using DisposeScope scope = NewDisposeScope();
        using var decoder = new WanDecoder(WanVaeTiny.Create(residual));
        using IDisposable memory = Recompute.BeginScope(ActivationMemory.Recompute);
        Tensor latents = WanVaeTiny.Latents(5, batch: 2).requires_grad_(true);
        Tensor whole = FrameSelection.Select(decoder.Autoencoder.Decode(decoder.Autoencoder.Destandardize(latents)), chosen);
        Tensor gradient = WanVaeTiny.Gradient(whole, latents);
        Tensor frames = decoder.Decode(latents, 17, chosen);
        Assert.That(WanVaeTiny.Distance(frames, whole), Is.LessThan(WanVaeTiny.Rounding));
        Assert.That(WanVaeTiny.Distance(WanVaeTiny.Gradient(frames, latents), gradient), Is.LessThan(WanVaeTiny.Rounding));
    }

    [Test]
    public void LaterLatentsAreNotSeen()
    {
        using DisposeScope scope = NewDisposeScope();
        using var decoder = new WanDecoder(WanVaeTiny.Create(residual: false));
        Tensor latents = WanVaeTiny.Latents(5).requires_grad_(true);
        Tensor gradient = WanVaeTiny.Gradient(decoder.Decode(latents, 17, [6]), latents);
        double[] reach = gradient.abs().sum([0, 1, 3, 4]).data<double>().ToArray();
        Assert.That(reach[..3], Is.All.GreaterThan(0));
        Assert.That(reach[3..], Is.All.Zero);
    }

    [Test]
    public void ALatentFrameAloneIsAVideoOfOneFrame()
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        using var decoder = new WanDecoder(WanVaeTiny.Create(residual: false));
        Tensor latents = WanVaeTiny.Latents(4, batch: 2);
        Tensor alone = decoder.DecodeAlone(latents, [3, 0]);
        Assert.That(WanVaeTiny.Distance(alone.narrow(2, 0, 1), decoder.Decode(latents.narrow(2, 3, 1), 1)), Is.LessThan(WanVaeTiny.Rounding));
        Assert.That(WanVaeTiny.Distance(alone.narrow(2, 1, 1), decoder.Decode(latents, 13, [0])), Is.LessThan(WanVaeTiny.Rounding));
    }

    [Test]
    public void LatentsOfAnotherLengthAreRefused()
    {
        using DisposeScope scope = NewDisposeScope();
        using var decoder = new WanDecoder(WanVaeTiny.Create(residual: false));
        Assert.That(() => decoder.Decode(WanVaeTiny.Latents(3), 13), Throws.ArgumentException.With.Message.Contains("13 frames has 4 latent frames"));
        Assert.That(() => decoder.Decode(WanVaeTiny.Latents(3), 10), Throws.ArgumentException.With.Message.Contains("9 or 13"));
    }

    /// <summary>
    /// What decoding with gradient needs on a GPU, by shapes: nearly the same for many segments as for few where their states wait elsewhere, and growing
    /// with the root of their number where they do not.
    /// </summary>
    [TestCase(true, 1.15)]
    [TestCase(false, 2.2)]
    public void MemoryHardlyGrowsWithTheVideo(bool offloaded, double most)
    {
        double growth = (double)Peak(33) / Peak(9);
        TestContext.Out.WriteLine($"33 latent frames against 9: {growth:g3}");
        Assert.That(growth, Is.LessThan(most));

        long Peak(int latents)
        {
            using DisposeScope scope = NewDisposeScope();
            using var decoder = new WanDecoder(new WanVae(WanVaeConfig.Wan21 with { BaseDim = 32 }, Placement.Meta)) { LatentsAtOnce = 1 };
            using var meter = new MemoryProfiler(decoder.Network.parameters(), DeviceType.CUDA);
            using IDisposable memory = Recompute.BeginScope(offloaded ? ActivationMemory.RecomputeOffloaded : ActivationMemory.Recompute);
            Tensor z = zeros([1, 16, latents, 4, 4], device: META).requires_grad_(true);
            Recompute.Backward(decoder.Decode(z, decoder.Autoencoder.Config.Frames(latents)).sum());
            return Enum.GetValues<RunStage>().Max(stage => meter[stage]);
        }
    }
}
