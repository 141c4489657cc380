using Microsoft.ML.VideoAlignment.Models;
using Microsoft.ML.VideoAlignment.Models.StableVideoDiffusion;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Decoders in bands of a single row and of a few give what they give whole, and all frames have their gradient.</summary>
public class TiledDecoderTests
{
    private static readonly AutoencoderKLConfig s_image = new() { BlockOutChannels = [8, 16, 16], NormGroups = 2, ScalingFactor = 0.5 },
        s_video = new() { BlockOutChannels = [32, 64], LayersPerBlock = 2 };

    [TestCase(1)]
    [TestCase(3000)]
    public void TheImageDecoderEqualsTheWhole(long tileBytes)
    {
        using DisposeScope scope = NewDisposeScope();
        using AutoencoderKL vae = Ramp.Fill(new AutoencoderKL(s_image, Placement.Cpu));
        vae.to(ScalarType.Float64);
        Compare(latents => vae.DecodeFrames(latents, [0, 2]), tileBytes, 1e-9, frame => frame is 0 or 2 ? Is.Positive : Is.Zero);
    }

    /// <summary>Two parts of two frames and one of one, each run again by itself; where frame 2 is chosen its part alone has gradient.</summary>
    [TestCase(1, false)]
    [TestCase(9000, false)]
    [TestCase(1, true)]
    public void TheVideoDecoderEqualsTheWhole(long tileBytes, bool chosen)
    {
        using DisposeScope scope = NewDisposeScope();
        using AutoencoderKLTemporalDecoder vae = Ramp.Fill(new AutoencoderKLTemporalDecoder(s_video, Placement.Cpu));
        vae.to(ScalarType.Float64);
        var decoder = new StableVideoDiffusionDecoder(vae) { FramesPerDecode = 2 };
        Compare(latents => decoder.Decode(latents, 5, chosen ? [2] : null), tileBytes, 1e-9, frame => !chosen || frame is 2 or 3 ? Is.Positive : Is.Zero);
    }

    [TestCase(ComputePrecision.BFloat16, 0.05)]
    [TestCase(ComputePrecision.Float16, 0.01)]
    public void HalfPrecisionDiffersByRounding(ComputePrecision precision, double tolerance)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable run = RunContext.Begin(DeviceType.CPU, new RunPrecision(precision, precision, precision));
        using AutoencoderKLTemporalDecoder vae = Ramp.Fill(new AutoencoderKLTemporalDecoder(s_video with { LayersPerBlock = 1 }, Placement.Cpu));
        var decoder = new StableVideoDiffusionDecoder(vae) { FramesPerDecode = 2 };
        Compare(
            latents => PrecisionPolicy.Run(NetworkRole.Decoder, () => decoder.Decode(latents.to_type(ScalarType.Float32), 5, [2])), 9000, tolerance,
            frame => frame is 2 or 3 ? Is.Positive : Is.Zero);
    }

    /// <summary>A decoder's graph grows with its frames as long as it is whole; in bands, parts are run again one by one.</summary>
    [Test]
    public void MemoryDoesNotGrowWithTheFrames()
    {
        using DisposeScope scope = NewDisposeScope();
        using var vae = new AutoencoderKLTemporalDecoder(s_video, Placement.Cpu with { Device = META });
        var decoder = new StableVideoDiffusionDecoder(vae) { FramesPerDecode = 2 };
        long tiled = Grown(1 << 15), whole = Grown(null);
        Assert.That(tiled, Is.LessThan(0.05 * whole));

        long Grown(long? tileBytes) => Peak(8, tileBytes) - Peak(4, tileBytes);

        long Peak(int frames, long? tileBytes)
        {
            using DisposeScope inner = NewDisposeScope();
            using IDisposable memory = Recompute.BeginScope(ActivationMemory.Recompute, tileBytes: tileBytes);
            using var profiler = new MemoryProfiler(vae.parameters(), DeviceType.CUDA);
            Tensor latents = empty([1, 4, frames, 16, 16], device: META).requires_grad_(true);
            Tensor y = decoder.Decode(latents, frames);
            Recompute.Backward(y, empty_like(y));
            return profiler[RunStage.Backward];
        }
    }

    private static void Compare(Func<Tensor, Tensor> decode, long tileBytes, double tolerance, Func<int, NUnit.Framework.Constraints.Constraint> expected)
    {
        (Tensor pixels, Tensor gradient) = Run(null);
        (Tensor tiledPixels, Tensor tiledGradient) = Run(tileBytes);
        Assert.That((tiledPixels - pixels).norm().ToDouble() / pixels.norm().ToDouble(), Is.LessThan(tolerance));
        Assert.That((tiledGradient - gradient).norm().ToDouble() / gradient.norm().ToDouble(), Is.LessThan(tolerance));
        for (int frame = 0; frame < 5; frame++)
        {
            Assert.That(tiledGradient.select(2, frame).abs().max().ToDouble(), expected(frame), $"frame {frame}");
        }

        (Tensor Pixels, Tensor Gradient) Run(long? bytes)
        {
            using IDisposable memory = Recompute.BeginScope(ActivationMemory.Recompute, tileBytes: bytes);
            using Tensor values = Ramp.Values(1, 2, 4, 5, 3, 5);
            Tensor latents = values.to_type(ScalarType.Float64).requires_grad_(true);
            Tensor y = decode(latents);
            using Tensor slope = Ramp.Values(7, y.shape);
            Recompute.Backward(y, slope.to_type(y.dtype));
            return (y.detach(), latents.grad!);
        }
    }
}
