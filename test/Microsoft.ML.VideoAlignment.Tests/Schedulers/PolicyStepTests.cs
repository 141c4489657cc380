using Microsoft.ML.VideoAlignment.Schedulers;

namespace Microsoft.ML.VideoAlignment.Tests;

public class PolicyStepTests
{
    private const string Betas = "\"beta_schedule\": \"scaled_linear\", \"beta_start\": 0.00085, \"beta_end\": 0.012, \"clip_sample\": false";

    public static IEnumerable<TestCaseData> Policies() =>
    [
        new TestCaseData(DdimScheduler.FromConfig(DdimTests.Json($"{Betas}, \"steps_offset\": 1"))).SetArgDisplayNames("DDIM"),
        new TestCaseData(DdimScheduler.FromConfig(DdimTests.Json(
            $"{Betas}, \"prediction_type\": \"v_prediction\", \"timestep_spacing\": \"trailing\", \"rescale_betas_zero_snr\": true")))
            .SetArgDisplayNames("DDIM from pure noise"),
        new TestCaseData(VideoCrafterDdimScheduler.FromConfig(DdimTests.Json(
            "\"linear_start\": 0.00085, \"linear_end\": 0.012, \"use_scale\": true, \"scale_b\": 0.7"))).SetArgDisplayNames("lvdm"),
    ];

    /// <summary>What a rollout draws is what learning gives a probability to: the step is its mean and that many deviations of the noise.</summary>
    [TestCaseSource(nameof(Policies))]
    public void AStepIsItsMeanAndItsNoise(object scheduler)
    {
        using DisposeScope scope = NewDisposeScope();
        IPolicySampler policy = ((IPolicyScheduler)scheduler).CreatePolicy(10, 0.8);
        using var generator = new Generator(1);
        Tensor Draw() => randn([2L, 4, 3, 2, 2], dtype: ScalarType.Float64, generator: generator);
        for (int step = 0; step < policy.Timesteps.Count; step++)
        {
            (Tensor x, Tensor prediction, Tensor noise) = (Draw(), Draw(), Draw());
            Assert.That(policy.Deviation(step), Is.GreaterThan(0), $"step {step}");
            Tensor next = policy.Step(step, x, prediction, [], noise).Sample;
            (Tensor mean, double[] deviations) = PolicyStep.Compute(policy, [step, step], x, prediction);
            Assert.That(((next - mean) / policy.Deviation(step) - noise).abs().max().ToDouble(), Is.LessThan(1e-9), $"step {step}");
            Tensor expected = (noise.square().mean([1L, 2, 3, 4]) * -0.5) - Math.Log(policy.Deviation(step)) - (0.5 * Math.Log(2 * Math.PI));
            Assert.That((PolicyStep.LogProbability(next, mean, deviations) - expected).abs().max().ToDouble(), Is.LessThan(1e-9), $"step {step}");
        }
    }

    /// <summary>A batch whose samples are at different steps is those samples one by one.</summary>
    [TestCaseSource(nameof(Policies))]
    public void SamplesAtDifferentStepsAreIndependent(object scheduler)
    {
        using DisposeScope scope = NewDisposeScope();
        IPolicySampler policy = ((IPolicyScheduler)scheduler).CreatePolicy(10, 1);
        using var generator = new Generator(2);
        Tensor x = randn([3L, 4, 2, 2], generator: generator), prediction = randn([3L, 4, 2, 2], generator: generator);
        (Tensor mean, double[] deviations) = PolicyStep.Compute(policy, [9, 0, 4], x, prediction);
        Assert.That(deviations, Is.EqualTo(new[] { policy.Deviation(9), policy.Deviation(0), policy.Deviation(4) }));
        Assert.That(mean[1].allclose(policy.Mean(0, x[1], prediction[1]), rtol: 1e-6, atol: 1e-6), "to rounding");
        Assert.That(() => PolicyStep.Compute(policy, [9, 0], x, prediction), Throws.ArgumentException.With.Message.Contains("3 samples, got 2"));
    }

    [Test]
    public void OnlyTheLastStepIsAnotherThanTheOrdinarySamplers()
    {
        using DisposeScope scope = NewDisposeScope();
        DdimScheduler ddim = DdimScheduler.FromConfig(DdimTests.Json($"{Betas}, \"steps_offset\": 1, \"set_alpha_to_one\": true"));
        (ISampler ordinary, IPolicySampler policy) = (ddim.CreateSampler(5, 1), ddim.CreatePolicy(5, 1));
        using var generator = new Generator(3);
        Tensor Draw() => randn([1L, 4, 2, 2], generator: generator);
        Tensor x = Draw(), prediction = Draw(), noise = Draw();
        bool[] same = [.. Enumerable.Range(0, 5).Select(step =>
            ordinary.Step(step, x, prediction, [], noise).Sample.allclose(policy.Step(step, x, prediction, [], noise).Sample, rtol: 1e-6, atol: 1e-6))];
        Assert.That(same, Is.EqualTo(new[] { true, true, true, true, false }));
    }

    [Test]
    public void AStepWithoutNoiseHasNoProbability()
    {
        DdimScheduler ddim = DdimScheduler.FromConfig(DdimTests.Json($"{Betas}, \"steps_offset\": 0"));
        Assert.That(
            () => ddim.CreatePolicy(5, 1, rederiveNoise: false),
            Throws.ArgumentException.With.Message.Contains("timestep 0").And.Message.Contains("steps_offset 1"));
        Assert.That(() => ddim.CreatePolicy(5, 0), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("eta 0"));
        Assert.That(
            () => VideoCrafterDdimScheduler.FromConfig(DdimTests.Json("\"linear_start\": 0.00085, \"linear_end\": 0.012")).CreatePolicy(25, 0),
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("eta 0"));
    }

    [Test]
    public void ARunsOwnPolicyEndsAtOneInsteadOfZero()
    {
        DdimScheduler ddim = DdimScheduler.FromConfig(DdimTests.Json($"{Betas}, \"steps_offset\": 0"));
        Assert.That(ddim.CreatePolicy(5, 1).Timesteps, Is.EqualTo(new[] { 801.0, 601, 401, 201, 1 }));
        Assert.That(ddim.CreateSampler(5).Timesteps, Is.EqualTo(new[] { 800.0, 600, 400, 200, 0 }), "generation is as it was");
    }
}
