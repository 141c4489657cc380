using System.Text.Json;
using Microsoft.ML.VideoAlignment.Models;
using Microsoft.ML.VideoAlignment.Models.OpenSora;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

public class VideoAutoencoderTests
{
    private static readonly VideoAutoencoderConfig s_tiny = new()
    {
        Spatial = new AutoencoderKLConfig { BlockOutChannels = [4, 8], NormGroups = 2, ScalingFactor = VideoAutoencoderConfig.ImageScale },
        Temporal = new TemporalVaeConfig { Filters = 4, ResBlocks = 1, Multipliers = [1, 2, 2], Halves = [true, true], NormGroups = 2 },
        ChunkFrames = 5,
        ScaleChannels = 4,
    };

    [Test]
    public void ChunksKnowNothingOfEachOther()
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        using VideoAutoencoder vae = Tiny();
        Tensor z = Ramp.Values(1, 1, 4, 4, 2, 3);
        Tensor other = cat([z.narrow(2, 0, 2), z.narrow(2, 2, 2) * 3], dim: 2);
        Tensor one = vae.Decode(z, 10), two = vae.Decode(other, 10);
        Assert.That(one.shape, Is.EqualTo(new long[] { 1, 3, 10, 4, 6 }));
        Assert.That(one.narrow(2, 0, 5).equal(two.narrow(2, 0, 5)).all().item<bool>(), "frames of the first chunk");
        Assert.That(one.narrow(2, 5, 5).equal(two.narrow(2, 5, 5)).any().item<bool>(), Is.False, "frames of the second");
    }

    [Test]
    public void GradientReachesTheChosenFramesChunkOnly()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoAutoencoder vae = Tiny();
        Tensor z = Ramp.Values(1, 1, 4, 4, 2, 3).requires_grad_(true);
        vae.Decode(z, 10, [7]).square().sum().backward();
        float[] reach = z.grad!.abs().sum([0, 1, 3, 4]).data<float>().ToArray();
        Assert.That(reach[..2], Is.All.Zero);
        Assert.That(reach[2..], Is.All.GreaterThan(0));
    }

    [Test]
    public void LatentsOfAnotherLengthAreRefused()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoAutoencoder vae = Tiny();
        Assert.That(
            () => vae.Decode(zeros([1, 4, 3, 2, 2]), 10),
            Throws.ArgumentException.With.Message.Contains("10 frames has 4 latent frames").And.Message.Contains("[1, 4, 3, 2, 2]"));
    }

    [TestCase(1, 276, 368, 1, 34, 46)]
    [TestCase(51, 276, 368, 15, 34, 46)]
    [TestCase(102, 240, 426, 30, 30, 53)]
    [TestCase(20, 416, 554, 6, 52, 69)]
    public void PublishedSizes(int frames, int height, int width, int latentFrames, int latentHeight, int latentWidth) =>
        Assert.That(new VideoAutoencoderConfig { ChunkFrames = 17 }.LatentSize(frames, height, width), Is.EqualTo((latentFrames, latentHeight, latentWidth)));

    [TestCase("""{"vae_temporal": {"type": "VAE_Spatial"}}""", "VAE_Spatial")]
    [TestCase("""{"vae_temporal": {"activation_fn": "gelu"}}""", "activation_fn")]
    [TestCase("""{"vae_temporal": {"temporal_downsample": [true]}}""", "temporal_downsample")]
    [TestCase("""{"vae_temporal": {"temporal_downsample": "yes"}}""", "temporal_downsample")]
    [TestCase("""{"vae_temporal": {"num_groups": 7}}""", "num_groups")]
    [TestCase("""{"micro_frame_size": -1}""", "micro_frame_size")]
    [TestCase("""{"model_type": "AutoencoderKL"}""", "AutoencoderKL")]
    public void AnotherNetworksConfigIsRefusedByName(string json, string named)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        Assert.That(() => VideoAutoencoderConfig.FromJson(document.RootElement), Throws.Exception.With.Message.Contains(named));
    }

    private static VideoAutoencoder Tiny()
    {
        VideoAutoencoder vae = Ramp.Fill(new VideoAutoencoder(s_tiny, Placement.Cpu));
        using IDisposable guard = no_grad();
        vae.get_buffer("scale")!.fill_(2);
        vae.get_buffer("shift")!.fill_(0.1);
        return vae;
    }
}
