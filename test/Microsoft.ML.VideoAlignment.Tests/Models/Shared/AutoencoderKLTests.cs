using System.Text.Json;
using Microsoft.ML.VideoAlignment.Models;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

public class AutoencoderKLTests
{
    private static readonly AutoencoderKLConfig s_tiny = new() { BlockOutChannels = [8, 16, 16], NormGroups = 2, ScalingFactor = 0.5 };

    [Test]
    public void DecodeUndoesTheScalingAndUpsamplesByTheFactor()
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        using AutoencoderKL vae = Ramp.Fill(new AutoencoderKL(s_tiny, Placement.Cpu));
        using AutoencoderKL unscaled = Ramp.Fill(new AutoencoderKL(s_tiny with { ScalingFactor = 1 }, Placement.Cpu));
        Tensor latents = Ramp.Values(1, 2, 4, 3, 5);
        Tensor y = vae.Decode(latents);
        Assert.That(vae.SpatialFactor, Is.EqualTo(4));
        Assert.That(y.shape, Is.EqualTo(new long[] { 2, 3, 12, 20 }));
        Assert.That(y.data<float>().ToArray(), Is.EqualTo(unscaled.Decode(latents * 2).data<float>().ToArray()));
    }

    [Test]
    public void RecomputedLevelsGiveTheSameGradientBitForBit()
    {
        using DisposeScope scope = NewDisposeScope();
        using AutoencoderKL vae = Ramp.Fill(new AutoencoderKL(s_tiny, Placement.Cpu));
        Assert.That(Run(true), Is.EqualTo(Run(false)));

        float[] Run(bool recompute)
        {
            using IDisposable memory = Recompute.BeginScope(recompute ? ActivationMemory.Recompute : ActivationMemory.Keep);
            Tensor latents = Ramp.Values(1, 2, 4, 3, 5).requires_grad_(true);
            Recompute.Backward(vae.Decode(latents).pow(2).sum());
            return latents.grad!.data<float>().ToArray();
        }
    }

    [TestCase("""{"down_block_types": ["DownEncoderBlock2D", "AttnDownEncoderBlock2D"], "block_out_channels": [32, 32]}""", "AttnDownEncoderBlock2D")]
    [TestCase("""{"up_block_types": ["UpDecoderBlock2D"], "block_out_channels": [32, 32]}""", "up_block_types")]
    [TestCase("""{"shift_factor": 0.1}""", "shift_factor")]
    [TestCase("""{"scaling_factor": -1}""", "scaling_factor")]
    [TestCase("""{"block_out_channels": [33]}""", "norm_num_groups")]
    public void AnotherNetworksConfigIsRefusedByName(string json, string named)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        Assert.That(() => AutoencoderKLConfig.FromJson(document.RootElement), Throws.Exception.With.Message.Contains(named));
    }
}
