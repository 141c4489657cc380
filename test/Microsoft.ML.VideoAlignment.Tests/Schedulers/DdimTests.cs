using System.Text.Json;
using Microsoft.ML.VideoAlignment.Schedulers;

namespace Microsoft.ML.VideoAlignment.Tests;

public class DdimTests
{
    /// <summary>ModelScope's and VideoCrafter's betas.</summary>
    internal const string ScaledLinear = """ "beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "clip_sample": false """;

    internal static JsonElement Json(string body)
    {
        using JsonDocument document = JsonDocument.Parse($"{{ {body} }}");
        return document.RootElement.Clone();
    }

    /// <summary>Constants recorded from VADER's VideoCrafter schedule: abar at 0, 1, 41, 961 and 999.</summary>
    [TestCase(0, 0.99915, 5e-6)]
    [TestCase(1, 0.9982960, 5e-8)]
    [TestCase(41, 0.960873, 5e-7)]
    [TestCase(961, 0.007282, 5e-7)]
    [TestCase(999, 0.00466010, 5e-9)]
    public void ScaledLinearBetasGiveVadersTable(int timestep, double expected, double within)
    {
        NoiseSchedule schedule = DdimScheduler.FromConfig(Json(ScaledLinear)).Schedule;
        Assert.That(schedule.AlphasCumprod[timestep], Is.EqualTo(expected).Within(within));
    }

    /// <summary>
    /// 25 steps with offset 1 visit 961, ..., 1. From t = 41 back to t = 1 VADER's eta 1 has sigma 0.040405. From 1 to abar_0 VADER's weights of x and
    /// noise are 1.001180 and -0.020745; they contain its scale array's s_0/s_1 = 1.000752, which multiplies the clean sample and plain DDIM has not.
    /// </summary>
    [Test]
    public void TheLastStepsHaveVadersWeights()
    {
        using DisposeScope scope = NewDisposeScope();
        DdimScheduler scheduler = DdimScheduler.FromConfig(Json(ScaledLinear + """, "steps_offset": 1, "set_alpha_to_one": false """));
        ISampler sampler = scheduler.CreateSampler(25, eta: 1);
        Assert.That(sampler.Timesteps, Is.EqualTo(Enumerable.Range(0, 25).Select(i => 961.0 - (40 * i))));
        (Tensor zero, Tensor one) = (zeros(1, dtype: ScalarType.Float64), ones(1, dtype: ScalarType.Float64));
        double Next(int step, Tensor x, Tensor prediction, Tensor noise) => sampler.Step(step, x, prediction, [], noise).Sample.item<double>();

        Assert.That(Next(23, zero, zero, one), Is.EqualTo(0.040405).Within(1e-6));
        const double Scale = 1 / (1 - (0.3 / 399));
        Assert.That(Next(24, one, zero, zero) * Scale, Is.EqualTo(1.001180).Within(1e-6));
        double clean = -Math.Sqrt(0.99915 * (1 - 0.9982960) / 0.9982960);
        Assert.That(Next(24, zero, one, zero) + (clean * (Scale - 1)), Is.EqualTo(-0.020745).Within(1e-6));
    }

    [Test]
    public void TheLastStepToAlphaOneIsTheCleanPrediction()
    {
        using DisposeScope scope = NewDisposeScope();
        ISampler sampler = DdimScheduler.FromConfig(Json(ScaledLinear)).CreateSampler(4, eta: 1);
        SamplerStep last = sampler.Step(3, tensor(new[] { 0.5, -2 }), tensor(new[] { 1.5, 0.25 }), [], null);
        Assert.That(sampler.NeedsNoise(3), Is.False);
        Assert.That(sampler.NeedsNoise(2), Is.True);
        Assert.That(last.Sample.data<double>().ToArray(), Is.EqualTo(last.Predicted.data<double>().ToArray()));
    }

    [Test]
    public void ClippingStopsTheGradient()
    {
        using DisposeScope scope = NewDisposeScope();
        ISampler sampler = DdimScheduler.FromConfig(Json(""" "prediction_type": "sample" """)).CreateSampler(4, eta: 0);
        Tensor prediction = tensor(new[] { 0.5f, 3f }).requires_grad_(true);
        sampler.Step(3, zeros(2), prediction, [], null).Predicted.sum().backward();
        Assert.That(prediction.grad!.data<float>().ToArray(), Is.EqualTo(new[] { 1f, 0f }));
    }

    [TestCase(0)]
    [TestCase(1001)]
    public void StepsOutsideTheScheduleAreRefused(int steps)
    {
        foreach (string name in SamplerKinds.OfBetas)
        {
            Assert.That(
                () => SchedulerFactory.FromConfig(Json(""), name).CreateSampler(steps),
                Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("1000"), name);
        }
    }

    [Test]
    public void BadArgumentsAreRefusedByName()
    {
        using DisposeScope scope = NewDisposeScope();
        DdimScheduler scheduler = DdimScheduler.FromConfig(Json(""));
        ISampler sampler = scheduler.CreateSampler(5, eta: 1);
        Tensor x = zeros(2);
        Assert.Multiple(() =>
        {
            Assert.That(() => scheduler.CreateSampler(5, eta: 1.01), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("eta"));
            Assert.That(() => scheduler.CreateSampler(5, eta: double.NaN), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(() => sampler.Step(5, x, x, [], x), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("0 to 4"));
            Assert.That(() => sampler.Step(0, x, x, [], null), Throws.ArgumentNullException.With.Message.Contains("noise"));
            Assert.That(
                () => DdimScheduler.FromConfig(Json(""" "steps_offset": 1 """)).CreateSampler(1000),
                Throws.ArgumentException.With.Message.Contains("steps_offset"));
            Assert.That(
                () => DdimScheduler.FromConfig(Json(""" "rescale_betas_zero_snr": true, "timestep_spacing": "trailing" """)).CreateSampler(5),
                Throws.TypeOf<NotSupportedException>().With.Message.Contains("v_prediction"));
        });
    }

    [TestCase(""" "prediction_type": "flow_prediction" """, "v_prediction")]
    [TestCase(""" "beta_schedule": "sigmoid" """, "scaled_linear")]
    [TestCase(""" "timestep_spacing": "even" """, "trailing")]
    [TestCase(""" "thresholding": true """, "thresholding")]
    [TestCase(""" "num_train_timesteps": "many" """, "a number")]
    [TestCase(""" "trained_betas": [0.1, 1.5] """, "below 1")]
    public void UnsupportedOptionsAreNamed(string body, string mentions) =>
        Assert.That(() => DdimScheduler.FromConfig(Json(body)), Throws.Exception.With.Message.Contains(mentions).And.Message.Contains("DdimScheduler"));
}
