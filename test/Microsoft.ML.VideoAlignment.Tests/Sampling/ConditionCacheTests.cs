using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

public class ConditionCacheTests
{
    private static readonly SamplingSettings s_guided = new() { Size = new VideoSize(2, 4, 8), Steps = 2, GuidanceScale = 3 };

    [Test]
    public void PreparedItEncodesNothingMoreAndTheTextEncoderIsFreed()
    {
        using var model = new TinyVideoModel();
        using var cache = new ConditionCache(model, s_guided);
        cache.Prepare(["a", "b", "a", ""]);
        int encoded = model.Encodings;
        (Condition conditional, Condition? unconditional) = cache.Get(["a", "b", "a"], NoNoise);
        using var expected = new TinyVideoModel();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(encoded, Is.EqualTo(3));
            Assert.That(model.Encodings, Is.EqualTo(3));
            Assert.That(model.Releases, Is.EqualTo(1));
            Assert.That(Values(conditional), Is.EqualTo(Values(expected.Model.Encode(s_guided.Request(["a", "b", "a"], NoNoise)))));
            Assert.That(Values(unconditional!), Is.EqualTo(Values(expected.Model.Encode(s_guided.Request(["", "", ""], NoNoise)))));
        }
    }

    /// <summary>Texts that would fill the device wait in the CPU's memory: the first fits, the others do not.</summary>
    [TestCase(0)]
    [TestCase(20)]
    public void WhereATextWaitsChangesNothing(long mostOnDevice)
    {
        using var model = new TinyVideoModel();
        using ConditionCache cache = new(model, s_guided), small = new(model, s_guided, mostOnDevice);
        (Condition conditional, Condition? unconditional) = cache.Get(["a", "b", ""], NoNoise);
        var reads = new HostReads();
        using IDisposable? observing = RunContext.Observe(reads);
        small.Prepare(["a", "b", ""]);
        Assert.That(reads.Readers, Has.Exactly(mostOnDevice == 0 ? 3 : 2).Items, "copies to the CPU's memory");
        reads.Readers.Clear();
        (Condition kept, Condition? empty) = small.Get(["a", "b", ""], NoNoise);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Values(kept), Is.EqualTo(Values(conditional)));
            Assert.That(Values(empty!), Is.EqualTo(Values(unconditional!)));
            Assert.That(reads.Readers, Is.Empty, "nothing waits for the device when they are used");
        }
    }

    [Test]
    public void ACanceledRunEncodesNoMore()
    {
        using var model = new TinyVideoModel();
        using var cache = new ConditionCache(model, s_guided);
        using var canceled = new CancellationTokenSource();
        canceled.Cancel();
        using IDisposable context = RunContext.Begin(DeviceType.CPU, RunPrecision.Float32, canceled.Token);
        cache.Prepare(["a", "b"]);
        Assert.That(model.Encodings, Is.Zero);
        Assert.That(Values(cache.Get(["a"], NoNoise).Conditional), Has.Length.EqualTo(4), "what is asked for is encoded");
    }

    [Test]
    public void WithoutGuidanceThereIsNoSecondBranch()
    {
        using var model = new TinyVideoModel();
        using var cache = new ConditionCache(model, s_guided with { GuidanceScale = 1 });
        Assert.That(cache.Get(["a"], NoNoise).Unconditional, Is.Null);
    }

    /// <summary>Held-out videos are made in inference mode, whose tensors autograd refuses.</summary>
    [Test]
    public void WhatIsFirstMetInInferenceModeTakesPartInGraphsLater()
    {
        using var model = new TinyVideoModel();
        using var cache = new ConditionCache(model, s_guided);
        using (inference_mode())
        {
            cache.Get(["a"], NoNoise);
        }

        using Tensor weight = ones(4).requires_grad_(true);
        (cache.Get(["a"], NoNoise).Conditional.Text * weight).sum().backward();
        Assert.That(weight.grad!.abs().sum().ToDouble(), Is.GreaterThan(0));
    }

    private static Tensor NoNoise(IReadOnlyList<long> shape) => throw new InvalidOperationException("nothing is drawn");

    private static float[] Values(Condition condition) => [.. condition.Text.contiguous().data<float>()];
}
