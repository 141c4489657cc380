using Microsoft.ML.VideoAlignment.Schedulers;

namespace Microsoft.ML.VideoAlignment.Tests;

public class FlowMatchEulerTests
{
    private const string Dynamic = "\"use_dynamic_shifting\": true";

    /// <summary>The class's own levels end at the shifted level of one training step, shifted again: for shift 5 and five steps 0.0244, not 0.005.</summary>
    [Test]
    public void TheSmallEndIsShiftedTwice()
    {
        FlowMatchEulerDiscreteScheduler.Sampler sampler = Sampler("\"shift\": 5", 5);
        Assert.That(sampler.Sigmas[^2], Is.EqualTo(0.0244).Within(5e-5));
        Assert.That((sampler.Sigmas[0], sampler.Sigmas[^1]), Is.EqualTo((1.0, 0.0)));
        Assert.That(sampler.Timesteps, Is.EqualTo(sampler.Sigmas.SkipLast(1).Select(sigma => sigma * 1000)).Within(1e-4));
        Assert.That(Enumerable.Range(0, 5).Sum(sampler.Sensitivity), Is.EqualTo(-1).Within(1e-12), "the steps add up to the whole way");
    }

    /// <summary>Wan's own Euler: evenly from 1, shifted once.</summary>
    [Test]
    public void LevelsOfOnesOwnAreShiftedOnce()
    {
        var sampler = (FlowMatchEulerDiscreteScheduler.Sampler)Create("\"shift\": 3").CreateSampler([1, 0.75, 0.5, 0.25, 0]);
        Assert.That(sampler.Sigmas, Is.EqualTo(new[] { 1, 0.9, 0.75, 0.5, 0 }).Within(1e-7));
        Assert.That(sampler.Timesteps, Is.EqualTo(new[] { 1000, 900, 750, 500.0 }).Within(1e-4));
    }

    [TestCase("exponential", 1.15)]
    [TestCase("linear", 3.158193)]
    public void ADynamicShiftIsThatOfMu(string type, double mu)
    {
        FlowMatchEulerDiscreteScheduler scheduler = Create($"{Dynamic}, \"time_shift_type\": \"{type}\", \"shift\": 7");
        var sampler = (FlowMatchEulerDiscreteScheduler.Sampler)scheduler.CreateShiftedSampler(4, mu);
        double factor = Math.Exp(1.15);
        Assert.That(sampler.Sigmas[^2], Is.EqualTo(factor * 0.001 / (1 + ((factor - 1) * 0.001))).Within(1e-7), "down to one training step");
        Assert.That(() => scheduler.CreateSampler(4), Throws.InvalidOperationException.With.Message.Contains("use_dynamic_shifting"));
        Assert.That(() => scheduler.CreateShiftedSampler(4, double.NaN), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => Create("").CreateShiftedSampler(4, mu), Throws.InvalidOperationException.With.Message.Contains("mu"));
    }

    [Test]
    public void TheTerminalIsWhereTheLastLevelGoes()
    {
        FlowMatchEulerDiscreteScheduler.Sampler sampler = Sampler("\"shift\": 3, \"shift_terminal\": 0.1", 6);
        Assert.That((sampler.Sigmas[0], sampler.Sigmas[^2], sampler.Sigmas[^1]), Is.EqualTo((1.0, 0.1, 0.0)).Within(1e-7));
        Assert.That(() => Sampler("\"shift_terminal\": 0.1", 1), Throws.ArgumentException.With.Message.Contains("shift_terminal"));
    }

    [Test]
    public void AStochasticStepNoisesTheCleanPredictionAndTheLastOneDoesNot()
    {
        using DisposeScope scope = NewDisposeScope();
        FlowMatchEulerDiscreteScheduler.Sampler sampler = Sampler("\"stochastic_sampling\": true", 3);
        Tensor x = tensor(new[] { 0.5 }), v = tensor(new[] { 2.0 }).requires_grad_(true), noise = tensor(new[] { -1.0 });
        double sigma = sampler.Sigmas[1], after = sampler.Sigmas[2];
        Tensor next = sampler.Step(1, x, v, [], noise).Sample;
        next.sum().backward();
        Assert.That(next.item<double>(), Is.EqualTo(((1 - after) * (0.5 - (2 * sigma))) - after).Within(1e-12));
        Assert.That(v.grad!.item<double>(), Is.EqualTo(sampler.Sensitivity(1)).Within(1e-12));
        Assert.That(Enumerable.Range(0, 3).Select(sampler.NeedsNoise), Is.EqualTo(new[] { true, true, false }));
        Assert.That(() => sampler.Step(1, x, v, [], null), Throws.ArgumentNullException.With.Message.Contains("noise"));
    }

    [TestCase("\"shift\": -1", "shift")]
    [TestCase("\"shift\": \"5\"", "shift")]
    [TestCase("\"shift_terminal\": 1", "shift_terminal")]
    [TestCase("\"shift_terminal\": -0.1", "shift_terminal")]
    [TestCase("\"time_shift_type\": \"cubic\"", "exponential, linear")]
    [TestCase("\"stochastic_sampling\": 1", "true or false")]
    [TestCase("\"invert_sigmas\": true", "invert_sigmas")]
    [TestCase("\"use_beta_sigmas\": true", "use_beta_sigmas")]
    [TestCase("\"num_train_timesteps\": 2.5", "num_train_timesteps")]
    [TestCase("\"prediction_type\": \"v_prediction\"", "flow_prediction")]
    public void UnsupportedOptionsAreNamed(string body, string mentions) =>
        Assert.That(() => Create(body), Throws.Exception.With.Message.Contains(mentions).And.Message.Contains("FlowMatchEulerDiscreteScheduler"));

    [TestCase(new double[0])]
    [TestCase(new double[] { 0 })]
    [TestCase(new[] { 1, 0.5, 0.25 })]
    [TestCase(new[] { 1.5, 0.5, 0 })]
    [TestCase(new[] { 0.5, 0.5, 0 })]
    [TestCase(new[] { 1, double.NaN, 0 })]
    public void LevelsThatDoNotFallToZeroAreRefused(double[] sigmas) =>
        Assert.That(() => Create("").CreateSampler(sigmas), Throws.ArgumentException.With.Message.Contains("1, 0.75, 0.5, 0.25, 0"));

    private static FlowMatchEulerDiscreteScheduler Create(string entries) => FlowMatchEulerDiscreteScheduler.FromConfig(DdimTests.Json(entries));

    private static FlowMatchEulerDiscreteScheduler.Sampler Sampler(string entries, int steps) =>
        (FlowMatchEulerDiscreteScheduler.Sampler)Create(entries).CreateSampler(steps);
}
