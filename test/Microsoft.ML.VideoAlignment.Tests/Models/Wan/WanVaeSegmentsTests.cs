using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Models.Wan;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Segments that pass their state on, and parts of a video by themselves, against the whole video; both with their gradient.</summary>
public class WanVaeSegmentsTests
{
    private static readonly int[] s_counts = [1, 2, 3, 4, 7, 13, 17];

    [Test]
    public void SegmentsDecodeToTheWhole([Values] bool residual, [Values(1, 2, 3, 4)] int latentsAtOnce, [Values] bool recompute)
    {
        using DisposeScope scope = NewDisposeScope();
        using WanVae vae = WanVaeTiny.Create(residual);
        Tensor z = WanVaeTiny.Latents(5, batch: 2).requires_grad_(true);
        Tensor whole = vae.Decode(z);
        Assert.That(whole.shape[2], Is.EqualTo(17));
        Tensor gradient = WanVaeTiny.Gradient(whole, z);

        using IDisposable memory = Recompute.BeginScope(recompute ? ActivationMemory.Recompute : ActivationMemory.Keep);
        Tensor segments = vae.Decode(z, latentsAtOnce);
        Assert.That(WanVaeTiny.Distance(segments, whole), Is.LessThan(WanVaeTiny.Rounding));
        Assert.That(WanVaeTiny.Distance(WanVaeTiny.Gradient(segments, z), gradient), Is.LessThan(WanVaeTiny.Rounding));
        using IDisposable guard = no_grad();
        Assert.That(WanVaeTiny.Distance(vae.Decode(z, latentsAtOnce), whole), Is.LessThan(WanVaeTiny.Rounding), "without gradient");
    }

    [Test]
    public void StatePassedByHandCarriesTheGradient([Values] bool residual, [Values] bool recompute)
    {
        using DisposeScope scope = NewDisposeScope();
        using WanVae vae = WanVaeTiny.Create(residual);
        Tensor z = WanVaeTiny.Latents(4, batch: 2).requires_grad_(true);
        Tensor whole = vae.Decode(z);
        Tensor gradient = WanVaeTiny.Gradient(whole, z);

        using IDisposable memory = Recompute.BeginScope(recompute ? ActivationMemory.Recompute : ActivationMemory.Keep);
        (Tensor first, CausalState afterFirst) = vae.DecodeSegment(z.narrow(2, 0, 1), before: null);
        using CausalState one = afterFirst;
        (Tensor second, CausalState afterSecond) = vae.DecodeSegment(z.narrow(2, 1, 2), one);
        using CausalState two = afterSecond;
        (Tensor third, CausalState afterThird) = vae.DecodeSegment(z.narrow(2, 3, 1), two);
        afterThird.Dispose();
        Tensor joined = cat([first, second, third], dim: 2);
        Assert.That(WanVaeTiny.Distance(joined, whole), Is.LessThan(WanVaeTiny.Rounding));
        Assert.That(WanVaeTiny.Distance(WanVaeTiny.Gradient(joined, z), gradient), Is.LessThan(WanVaeTiny.Rounding));
        Assert.That(two.Frames.Select(frames => frames.shape), Is.EqualTo(one.Frames.Select(frames => frames.shape)), "the state does not grow");
    }

    [Test]
    public void TheStateIsOfUse()
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        using WanVae vae = WanVaeTiny.Create(residual: false);
        Tensor z = WanVaeTiny.Latents(3);
        (Tensor alone, CausalState state) = vae.DecodeSegment(z.narrow(2, 2, 1), before: null);
        state.Dispose();
        Assert.That(alone.shape[2], Is.EqualTo(1), "the first latent of a video is one frame");
        Assert.That(WanVaeTiny.Distance(alone, vae.Decode(z).narrow(2, 8, 1)), Is.GreaterThan(1e-2));
    }

    [Test]
    public void TheLastFramesAreThoseOfTheWhole([Values] bool residual, [Values] bool recompute, [ValueSource(nameof(s_counts))] int count)
    {
        using DisposeScope scope = NewDisposeScope();
        using WanVae vae = WanVaeTiny.Create(residual);
        Tensor z = WanVaeTiny.Latents(5, batch: 2).requires_grad_(true);
        Tensor whole = vae.Decode(z).narrow(2, 17 - count, count);
        Tensor gradient = WanVaeTiny.Gradient(whole, z);

        using IDisposable memory = Recompute.BeginScope(recompute ? ActivationMemory.Recompute : ActivationMemory.Keep);
        Tensor last = vae.DecodeLast(z, count);
        Assert.That(WanVaeTiny.Distance(last, whole), Is.LessThan(WanVaeTiny.Rounding));
        Assert.That(WanVaeTiny.Distance(WanVaeTiny.Gradient(last, z), gradient), Is.LessThan(WanVaeTiny.Rounding));
    }

    /// <summary>At the full size the last of 81 frames takes 15 of them in the last level, so that most of the work falls away.</summary>
    [Test]
    public void OneFrameIsLessWorkThanAll()
    {
        long Work(Func<WanVae, Tensor, Tensor> decode)
        {
            using DisposeScope scope = NewDisposeScope();
            using IDisposable guard = no_grad();
            using var vae = new WanVae(WanVaeConfig.Wan21 with { BaseDim = 8 }, Placement.Meta);
            return FlopCounter.Count(() => decode(vae, zeros([1, 16, 21, 4, 4], device: META)));
        }

        Assert.That(Work((vae, z) => vae.DecodeLast(z, 1)), Is.LessThan(Work((vae, z) => vae.Decode(z)) / 2));
    }

    [Test]
    public void SegmentsEncodeToTheWhole([Values] bool residual, [Values(1, 2)] int latentsAtOnce, [Values] bool recompute)
    {
        using DisposeScope scope = NewDisposeScope();
        using WanVae vae = WanVaeTiny.Create(residual);
        Tensor pixels = Ramp.Values(3, 2, 3, 13, 8, 16).to_type(ScalarType.Float64).Mul(2).requires_grad_(true);
        (Tensor mean, Tensor logVariance) = vae.Encode(pixels);
        Tensor whole = cat([mean, logVariance], dim: 1);
        Assert.That(whole.shape[2], Is.EqualTo(4));
        Tensor gradient = WanVaeTiny.Gradient(whole, pixels);

        using IDisposable memory = Recompute.BeginScope(recompute ? ActivationMemory.Recompute : ActivationMemory.Keep);
        (mean, logVariance) = vae.Encode(pixels, latentsAtOnce);
        Tensor segments = cat([mean, logVariance], dim: 1);
        Assert.That(WanVaeTiny.Distance(segments, whole), Is.LessThan(WanVaeTiny.Rounding));
        Assert.That(WanVaeTiny.Distance(WanVaeTiny.Gradient(segments, pixels), gradient), Is.LessThan(WanVaeTiny.Rounding));
    }

    [Test]
    public void NothingStaysAliveButTheResult([Values] bool recompute)
    {
        using DisposeScope scope = NewDisposeScope();
        using WanVae vae = WanVaeTiny.Create(residual: true);
        using IDisposable memory = Recompute.BeginScope(recompute ? ActivationMemory.Recompute : ActivationMemory.Keep);
        Tensor z = WanVaeTiny.Latents(3);
        Decode();
        long before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        Decode();
        Assert.That(DisposeScopeManager.Statistics.ThreadTotalLiveCount, Is.EqualTo(before));

        void Decode()
        {
            using DisposeScope inner = NewDisposeScope();
            using Tensor leaf = z.detach().requires_grad_(true);
            WanVaeTiny.Gradient(vae.Decode(leaf, 1), leaf);
        }
    }
}
