using Microsoft.ML.VideoAlignment.Models;
using Microsoft.ML.VideoAlignment.Models.StableVideoDiffusion;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

public class AutoencoderKLTemporalDecoderTests
{
    private static readonly AutoencoderKLConfig s_tiny = new() { BlockOutChannels = [32, 64], LayersPerBlock = 2 };

    [Test]
    public void VideosOfABatchStayApartAndFramesOfOneDoNot()
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        using AutoencoderKLTemporalDecoder vae = Ramp.Fill(new AutoencoderKLTemporalDecoder(s_tiny, Placement.Cpu));
        Tensor z = Ramp.Values(1, 6, 4, 3, 5);
        Tensor both = vae.Decode(z, 3), second = vae.Decode(z[3..], 3), shorter = vae.Decode(z[4..], 2);
        Assert.That(both.shape, Is.EqualTo(new long[] { 6, 3, 6, 10 }));
        Assert.That(both[3..].allclose(second, rtol: 1e-4, atol: 1e-5));
        Assert.That(both[5].allclose(shorter[1], rtol: 1e-3, atol: 1e-4), Is.False);
    }

    [Test]
    public void RecomputedLevelsGiveTheSameGradient()
    {
        using DisposeScope scope = NewDisposeScope();
        using AutoencoderKLTemporalDecoder vae = Ramp.Fill(new AutoencoderKLTemporalDecoder(s_tiny, Placement.Cpu));
        Assert.That(Run(true), Is.EqualTo(Run(false)));

        float[] Run(bool recompute)
        {
            using IDisposable memory = Recompute.BeginScope(recompute ? ActivationMemory.Recompute : ActivationMemory.Keep);
            Tensor z = Ramp.Values(1, 3, 4, 3, 5).requires_grad_(true);
            Recompute.Backward(vae.Decode(z, 3).pow(2).sum());
            return z.grad!.data<float>().ToArray();
        }
    }

    [TestCase(2)]
    [TestCase(0)]
    public void RowsThatAreNoWholeVideosAreRefused(int frames)
    {
        using DisposeScope scope = NewDisposeScope();
        using AutoencoderKLTemporalDecoder vae = Ramp.Fill(new AutoencoderKLTemporalDecoder(s_tiny, Placement.Cpu));
        Assert.That(() => vae.Decode(zeros(3, 4, 2, 2), frames), Throws.ArgumentException.With.Message.Contains("frames"));
    }
}
