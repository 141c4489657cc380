using System.Text.Json;
using Microsoft.ML.VideoAlignment.Schedulers;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Every sampler at the ends of its range: it gives numbers, or says before the first step why it cannot.</summary>
public class StepCountTests
{
    private const int Train = 1000;

    private static IEnumerable<TestCaseData> Runs() =>
        from name in SamplerKinds.OfBetas
        from at in new[] { ("leading", 0), ("leading", 1), ("trailing", 0), ("linspace", 0) }
        from more in name == "DPMSolverMultistepScheduler"
            ? new[]
            {
                """, "solver_order": 1 """, "", """, "solver_type": "heun" """, """, "solver_order": 3, "final_sigmas_type": "sigma_min" """,
                """, "algorithm_type": "sde-dpmsolver++" """, """, "use_karras_sigmas": true """,
            }
            : name == "EulerDiscreteScheduler" ? ["", """, "final_sigmas_type": "sigma_min" """, """, "use_karras_sigmas": true """] : [""]
        select new TestCaseData(name, at.Item1, at.Item2, more).SetName($"{{m}}({name}, {at.Item1}, offset {at.Item2}{more.Replace('"', ' ')})");

    [TestCaseSource(nameof(Runs))]
    public void ARunIsFiniteOrRefused(string name, string spacing, int offset, string more)
    {
        IScheduler scheduler = Scheduler(name, spacing, offset, more);
        foreach (int steps in new[] { 1, 2, 15, 999, Train })
        {
            try
            {
                AssertFinite(scheduler.CreateSampler(steps, eta: 0.5), $"{steps} steps");
            }
            catch (ArgumentException refusal)
            {
                Assert.That(refusal.Message, Does.Contain(name).Or.Contains("noise level"), $"{steps} steps");
                Assert.That(steps, Is.GreaterThan(500), $"{refusal.Message}: there are timesteps enough");
            }
        }

        Assert.That(() => scheduler.CreateSampler(Train + 1), Throws.InstanceOf<ArgumentOutOfRangeException>().With.Message.Contains("1000"));
        Assert.That(() => scheduler.CreateSampler(0), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    /// <summary>The reference gives a video of NaN there: 1001 places between 0 and 999 are 1000 whole numbers, one of them twice.</summary>
    [TestCase("linspace", 0, Train, 999)]
    [TestCase("leading", 1, 999, 500)]
    [TestCase("leading", 1, Train, 500)]
    [TestCase("leading", 0, Train, 999)]
    public void DpmSolverRefusesStepsOfNoLengthAndNamesTheMostItTakes(string spacing, int offset, int steps, int atLeast)
    {
        IScheduler scheduler = Scheduler("DPMSolverMultistepScheduler", spacing, offset, "");
        ArgumentException? refusal = Assert.Throws<ArgumentException>(() => scheduler.CreateSampler(steps));
        int most = int.Parse(System.Text.RegularExpressions.Regex.Match(refusal!.Message, @"Take (\d+) steps").Groups[1].Value,
            System.Globalization.CultureInfo.InvariantCulture);
        Assert.That(most, Is.InRange(atLeast, steps - 1));
        AssertFinite(scheduler.CreateSampler(most), $"{most} steps");
    }

    [Test]
    public void TheDoorSaysSoInItsOptions()
    {
        var rig = new DoorRig();
        VideoAlignmentOptions options =
            DoorRig.ThreeSteps with { Sampling = DoorRig.ThreeSteps.Sampling with { Sampler = "DPMSolverMultistepScheduler", Steps = Train } };
        Assert.That(() => rig.Estimator(options), Throws.ArgumentException.With.Message.Contains("Sampling.Steps").And.Message.Contains("999"));
        Assert.That(() => rig.Estimator(options with { Sampling = options.Sampling with { Steps = 999 } }), Throws.Nothing);
    }

    /// <summary>A file whose first steps have no noise gives 0 / 0 at timestep 0.</summary>
    [Test]
    public void AScheduleWithoutNoiseAtItsEndIsRefused([ValueSource(nameof(Names))] string name)
    {
        JsonElement json = Json("""{ "beta_schedule": "linear", "beta_start": 0, "beta_end": 0.02, "timestep_spacing": "leading", "clip_sample": false }""");
        try
        {
            AssertFinite(SchedulerFactory.FromConfig(json, name).CreateSampler(20), name);
        }
        catch (ArgumentException refusal)
        {
            Assert.That(refusal.Message, Does.Contain("beta_start").Or.Contains("noise level"));
        }
    }

    private static IEnumerable<string> Names() => SamplerKinds.OfBetas;

    private static IScheduler Scheduler(string name, string spacing, int offset, string more) => SchedulerFactory.FromConfig(
        Json(
            $$"""
            {
              "beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "clip_sample": false, "timestep_spacing": "{{spacing}}",
              "steps_offset": {{offset}} {{more}}
            }
            """),
        name);

    private static JsonElement Json(string text)
    {
        using JsonDocument document = JsonDocument.Parse(text);
        return document.RootElement.Clone();
    }

    /// <summary>On a network whose prediction is a little less than its input and never the same twice.</summary>
    private static void AssertFinite(ISampler sampler, string what)
    {
        Assert.That(sampler.Timesteps, Is.All.Matches<double>(double.IsFinite), what);
        using DisposeScope scope = NewDisposeScope();
        Tensor x = tensor(new[] { 0.7, -1.1 }) * sampler.InitialNoiseSigma;
        var history = new List<Tensor>();
        for (int step = 0; step < sampler.Timesteps.Count; step++)
        {
            using DisposeScope inner = NewDisposeScope();
            Tensor prediction = (sampler.ScaleInput(x, step) * 0.9) + (1e-3 * (step % 3));
            SamplerStep next = sampler.Step(step, x, prediction, history, sampler.NeedsNoise(step) ? ones(2, dtype: ScalarType.Float64) : null);
            x = next.Sample.MoveToOuterDisposeScope();
            history = [.. history.Append(next.Predicted.MoveToOuterDisposeScope()).TakeLast(sampler.HistoryLength)];
        }

        Assert.That(x.isfinite().all().ToBoolean(), $"{what}: {string.Join(", ", x.data<double>().ToArray())}");
    }
}
