using Microsoft.ML.VideoAlignment.Schedulers;

namespace Microsoft.ML.VideoAlignment.Tests;

public class RectifiedFlowTests
{
    private static readonly RectifiedFlow s_flow = new() { ShiftsTimesteps = true };

    /// <summary>VADER's size, 30 steps: printed by the released code's arithmetic.</summary>
    [Test]
    public void TimesOfVadersSize()
    {
        double[] times = [.. s_flow.CreateSampler(30, 51, 276, 368).Timesteps];
        Assert.That(RectifiedFlow.ShiftRatio(51, 276, 368), Is.EqualTo(2.4108).Within(1e-4));
        Assert.That(times[..3], Is.EqualTo(new[] { 1000, 985.90, 971.22 }).Within(5e-3));
        Assert.That(times[^3..], Is.EqualTo(new[] { 211.27, 146.90, 76.75 }).Within(5e-3));
    }

    [TestCase(2, 1)]
    [TestCase(9, 1)]
    [TestCase(10, 17)]
    [TestCase(16, 17)]
    public void FramesBetweenOneAndAChunkAreRefusedWithTheNearest(int frames, int nearest)
    {
        Assert.That(
            () => s_flow.CreateSampler(4, frames, 240, 426),
            Throws.InstanceOf<ArgumentOutOfRangeException>().With.Message.Contains($"The nearest is {nearest}."));
        Assert.That(() => new RectifiedFlow().CreateSampler(4, frames, 240, 426), Throws.Nothing, "times that do not move have no such gap");
    }

    [Test]
    public void StepsAddUpAndTheTrueVelocityEndsAtTheCleanSample()
    {
        using DisposeScope scope = NewDisposeScope();
        ISampler sampler = s_flow.CreateSampler(5, 17, 24, 40);
        Assert.That(Enumerable.Range(0, 5).Sum(sampler.Sensitivity), Is.EqualTo(1).Within(1e-12));
        Tensor clean = Ramp.Values(1, 1, 4, 5, 2, 3), noise = Ramp.Values(2, 1, 4, 5, 2, 3), z = noise;
        for (int step = 0; step < 5; step++)
        {
            Tensor told = s_flow.AddNoise(clean, noise, tensor(new[] { sampler.Timesteps[step] }, dtype: ScalarType.Float32));
            Assert.That((z - told).abs().max().item<float>(), Is.LessThan(1e-5f), "on the straight path");
            (z, Tensor predicted) = sampler.Step(step, z, clean - noise, [], noise: null);
            Assert.That((predicted - clean).abs().max().item<float>(), Is.LessThan(1e-5f));
        }

        Assert.That((z - clean).abs().max().item<float>(), Is.LessThan(1e-5f));
    }

    [Test]
    public void AGivenFrameStaysAndAnEditedOneGetsNoiseOnce()
    {
        using DisposeScope scope = NewDisposeScope();
        ISampler sampler = s_flow.CreateSampler(6, 17, 24, 40, tensor(new[,] { { 0f, 0.5f, 1f } }));
        int[] noisy = [.. Enumerable.Range(0, 6).Where(sampler.NeedsNoise)];
        Assert.That(noisy, Has.Length.EqualTo(1));
        Assert.That(sampler.Timesteps[noisy[0]], Is.LessThanOrEqualTo(500));
        Assert.That(sampler.Timesteps[noisy[0] - 1], Is.GreaterThan(500));
        Tensor z = Ramp.Values(1, 1, 4, 3, 2, 2), v = Ramp.Values(2, 1, 4, 3, 2, 2), next = z;
        for (int step = 0; step < 6; step++)
        {
            Tensor before = sampler.BeforeStep(step, next, ones_like(z));
            Assert.That(before.narrow(2, 1, 1).equal(next.narrow(2, 1, 1)).all().item<bool>(), Is.EqualTo(step != noisy[0]));
            next = sampler.Step(step, before, v, [], noise: null).Sample;
        }

        Assert.That(next.narrow(2, 0, 1).equal(z.narrow(2, 0, 1)).all().item<bool>(), "the given frame");
        Assert.That((next - z - v).narrow(2, 2, 1).abs().max().item<float>(), Is.LessThan(1e-5f), "the generated frame");
        Assert.That(() => sampler.BeforeStep(noisy[0], z, noise: null), Throws.ArgumentNullException);
    }
}
