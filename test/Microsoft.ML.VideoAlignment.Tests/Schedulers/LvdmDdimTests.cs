using Microsoft.ML.VideoAlignment.Schedulers;

namespace Microsoft.ML.VideoAlignment.Tests;

public class LvdmDdimTests
{
    /// <summary>The published VideoCrafter2 (configs/inference_t2v_512_v2.0.yaml).</summary>
    private const string Published = "\"linear_start\": 0.00085, \"linear_end\": 0.012, \"use_scale\": true, \"scale_b\": 0.7";

    private static readonly VideoCrafterDdimScheduler s_published = VideoCrafterDdimScheduler.FromConfig(DdimTests.Json(Published));

    /// <summary>VADER's 25 steps: t = 961, 921, ..., 41, 1; constants worked out from the schedule's definition in Python.</summary>
    [Test]
    public void TwentyFiveStepsAreTheKnownOnes()
    {
        var sampler = (VideoCrafterDdimScheduler.Sampler)s_published.CreateSampler(25, 1);
        Assert.That(sampler.Timesteps, Is.EqualTo(Enumerable.Range(0, 25).Reverse().Select(i => (40.0 * i) + 1)));
        Assert.That(sampler.AlphasCumprod[1], Is.EqualTo(0.960873).Within(1e-6));
        Assert.That(sampler.PreviousAlphasCumprod[0], Is.EqualTo(0.99915).Within(1e-6));
        Assert.That(sampler.Deviations[1], Is.EqualTo(0.040405).Within(1e-6));
        Assert.That(sampler.Deviations[24], Is.EqualTo(0.596902).Within(1e-6));
        Assert.That(sampler.Scales[1], Is.EqualTo(0.969173).Within(1e-6));
        Assert.That(Enumerable.Range(0, 25).All(sampler.NeedsNoise), "noise is added at the last step too");
    }

    /// <summary>How strongly VADER's default window, the last step alone, moves the latents: -0.0207, and -0.199 one step earlier.</summary>
    [Test]
    public void TheLastStepIsAlmostInert()
    {
        ISampler sampler = s_published.CreateSampler(25, 1);
        Assert.That(sampler.Sensitivity(24), Is.EqualTo(-0.0207).Within(1e-4));
        Assert.That(sampler.Sensitivity(23), Is.EqualTo(-0.199).Within(5e-3));
    }

    /// <summary>lvdm's q_sample: the clean sample is scaled as well, the noise is not.</summary>
    [Test]
    public void CleanSamplesAreScaledBeforeTheyAreNoised()
    {
        using DisposeScope scope = NewDisposeScope();
        long[] times = [41, 961];
        Tensor one = ones(2, 3, dtype: ScalarType.Float64), none = zeros(2, 3, dtype: ScalarType.Float64);
        double[] signal = s_published.Forward.AddNoise(one, none, times)[.., 0].data<double>().ToArray();
        double[] noise = s_published.Forward.AddNoise(none, one, times)[.., 0].data<double>().ToArray();
        Assert.That(signal[0], Is.EqualTo(Math.Sqrt(0.960873) * 0.969173).Within(1e-5));
        Assert.That(noise[0], Is.EqualTo(Math.Sqrt(1 - 0.960873)).Within(1e-5));
        Assert.That(signal[1], Is.EqualTo(Math.Sqrt(s_published.AlphasCumprod[961]) * 0.7).Within(1e-6));
    }

    [TestCase(0.0)]
    [TestCase(0.5)]
    [TestCase(1.0)]
    public void SensitivityIsTheDerivativeOfTheStep(double eta)
    {
        ISampler sampler = s_published.CreateSampler(16, eta);
        for (int step = 0; step < sampler.Timesteps.Count; step++)
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor x = ones(1, dtype: ScalarType.Float64);
            double At(double e) => sampler.Step(step, x, x * e, [], x).Sample.item<double>();
            Assert.That((At(1.5) - At(0.5)) / 1, Is.EqualTo(sampler.Sensitivity(step)).Within(1e-12), $"step {step}");
        }
    }

    [TestCase(25, 25)]
    [TestCase(50, 50)]
    [TestCase(30, 31)]
    [TestCase(16, 17)]
    [TestCase(6, 7)]
    [TestCase(1, 1)]
    [TestCase(500, 500)]
    public void StepsThatDoNotDivideGiveMore(int asked, int made) => Assert.That(s_published.CreateSampler(asked, 1).Timesteps, Has.Count.EqualTo(made));

    /// <summary>The reference indexes beyond its table for these; the list is that of its conformance page.</summary>
    [Test]
    public void StepsBehindTheTableAreRefused()
    {
        int[] refused = [.. Enumerable.Range(1, 1000).Where(steps => Refuses(steps))];
        Assert.That(
            refused,
            Is.EqualTo(new[] { 3, 9, 27, 36, 37 }.Concat(Enumerable.Range(101, 11)).Concat(Enumerable.Range(251, 83)).Concat(Enumerable.Range(501, 500))));
        Assert.That(
            () => s_published.CreateSampler(27, 1),
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("1000").And.Message.Contains("25 or 50"));

        static bool Refuses(int steps)
        {
            try
            {
                s_published.CreateSampler(steps, 0);
                return false;
            }
            catch (ArgumentOutOfRangeException)
            {
                return true;
            }
        }
    }

    /// <summary>With an exact network (x = sqrt(abar) s x_0 + sqrt(1 - abar) noise) every step predicts x_0, scaled or not.</summary>
    [Test]
    public void AnExactNetworkIsFollowed()
    {
        using DisposeScope scope = NewDisposeScope();
        var sampler = (VideoCrafterDdimScheduler.Sampler)s_published.CreateSampler(20, 0);
        Tensor clean = tensor(new[] { 0.3, -1.2 }), noise = tensor(new[] { 1.1, 0.4 });
        (double a, double s) = (sampler.AlphasCumprod[19], sampler.Scales[19]);
        Tensor x = (clean * (Math.Sqrt(a) * s)) + (noise * Math.Sqrt(1 - a));
        for (int step = 0; step < 20; step++)
        {
            (x, Tensor predicted) = sampler.Step(step, x, noise, [], null);
            Assert.That(predicted.data<double>().ToArray(), Is.EqualTo(clean.data<double>().ToArray()).Within(1e-12), $"step {step}");
        }
    }

    [TestCase("\"parameterization\": \"v\"", "parameterization")]
    [TestCase("\"beta_schedule\": \"cosine\"", "beta_schedule")]
    [TestCase("\"linear_end\": 2", "linear_end")]
    [TestCase("\"use_scale\": true, \"mid_step\": 2000", "mid_step")]
    public void AnotherScheduleIsRefusedByName(string json, string named) =>
        Assert.That(() => VideoCrafterDdimScheduler.FromConfig(DdimTests.Json(json)), Throws.Exception.With.Message.Contains(named));

    [Test]
    public void AStepOutsideTheRunOrWithoutItsNoiseIsRefused()
    {
        using DisposeScope scope = NewDisposeScope();
        ISampler sampler = s_published.CreateSampler(25, 1);
        Tensor x = zeros(2);
        Assert.That(() => sampler.Step(25, x, x, [], x), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => sampler.Step(24, x, x, [], null), Throws.ArgumentNullException);
        Assert.That(() => s_published.CreateSampler(25, 1.5), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("eta"));
    }
}
