using System.Text.Json;
using Microsoft.ML.VideoAlignment.Schedulers;

namespace Microsoft.ML.VideoAlignment.Tests;

public class SamplerTests
{
    private const string StableVideoDiffusion = DdimTests.ScaledLinear + """
        , "prediction_type": "v_prediction", "sigma_max": 700.0, "sigma_min": 0.002, "timestep_spacing": "leading", "timestep_type": "continuous"
        , "use_karras_sigmas": true
        """;

    /// <summary>Stable Video Diffusion's official sampler.</summary>
    internal static ISampler StableVideo(int steps) => EulerDiscreteScheduler.FromConfig(DdimTests.Json(StableVideoDiffusion)).CreateSampler(steps);

    /// <summary>ModelScope's sampler in VADER.</summary>
    internal static ISampler Solver(int steps) => SchedulerFactory.FromConfig(s_file, "DPMSolverMultistepScheduler").CreateSampler(steps);

    private static readonly JsonElement s_file = DdimTests.Json(
        DdimTests.ScaledLinear + """, "_class_name": "DDIMScheduler", "steps_offset": 1, "set_alpha_to_one": false """);

    /// <summary>VADER's ModelScope sampler at 25 steps: 999, 959, ..., 80, 40 (recorded from diffusers).</summary>
    [Test]
    public void SwappingTheSamplerTakesTheNewClassesDefaults()
    {
        ISampler ddim = SchedulerFactory.FromConfig(s_file).CreateSampler(25);
        ISampler solver = SchedulerFactory.FromConfig(s_file, "DPMSolverMultistepScheduler").CreateSampler(25);
        Assert.That(ddim.Timesteps.Take(2), Is.EqualTo(new[] { 961.0, 921 }));
        Assert.That(solver.Timesteps.Take(2).Concat(solver.Timesteps.TakeLast(2)), Is.EqualTo(new[] { 999.0, 959, 80, 40 }));
        Assert.That(() => SchedulerFactory.FromConfig(s_file, "PNDMScheduler"), Throws.TypeOf<NotSupportedException>().With.Message.Contains("DDIMScheduler"));
    }

    [Test]
    public void TheLastStepOfDpmSolverIsTheCleanPrediction()
    {
        using DisposeScope scope = NewDisposeScope();
        ISampler sampler = SchedulerFactory.FromConfig(s_file, "DPMSolverMultistepScheduler").CreateSampler(25);
        SamplerStep last = sampler.Step(24, tensor(new[] { 0.5, -2 }), tensor(new[] { 1.5, 0.25 }), [zeros(2)], null);
        Assert.That(last.Sample.data<double>().ToArray(), Is.EqualTo(last.Predicted.data<double>().ToArray()));
        Assert.That(() => sampler.Step(1, zeros(2), zeros(2), [], null), Throws.ArgumentException.With.Message.Contains("order 2"));
    }

    /// <summary>
    /// A gradient in the last step alone is -0.2 for ModelScope's DPM-Solver++ and about -0.002 for Stable Video Diffusion's Euler: the choice of a gradient
    /// window rests on this.
    /// </summary>
    [Test]
    public void SensitivityOfTheLastStepIsTheKnownOne()
    {
        Assert.That(SchedulerFactory.FromConfig(s_file, "DPMSolverMultistepScheduler").CreateSampler(25).Sensitivity(24), Is.EqualTo(-0.2).Within(0.01));
        Assert.That(EulerDiscreteScheduler.FromConfig(DdimTests.Json(StableVideoDiffusion)).CreateSampler(25).Sensitivity(24), Is.EqualTo(-0.002).Within(1e-5));
    }

    /// <summary>The step's own derivative, with history and noise held, for every sampler and prediction type.</summary>
    [Test]
    public void SensitivityIsTheDerivativeOfTheStep()
    {
        foreach (string kind in new[] { "epsilon", "sample", "v_prediction" })
        {
            foreach (string name in SamplerKinds.OfBetas)
            {
                using DisposeScope scope = NewDisposeScope();
                ISampler sampler = SchedulerFactory.FromConfig(
                    DdimTests.Json(DdimTests.ScaledLinear + $""", "solver_order": 3, "prediction_type": "{kind}" """), name).CreateSampler(16, 0.5);
                for (int step = 2; step < 16; step++)
                {
                    Tensor prediction = ones(1, dtype: ScalarType.Float64).requires_grad_(true);
                    Tensor x = ones(1, dtype: ScalarType.Float64);
                    sampler.Step(step, x, prediction, [x, x], x).Sample.sum().backward();
                    Assert.That(prediction.grad!.item<double>(), Is.EqualTo(sampler.Sensitivity(step)).Within(1e-12), $"{name} {kind} step {step}");
                }
            }
        }
    }

    /// <summary>With a network that is always right (x = alpha x_0 + sigma noise, noise known) every deterministic sampler arrives at x_0.</summary>
    [Test]
    public void AnExactNetworkLeadsToTheCleanSample()
    {
        foreach (string name in SamplerKinds.OfBetas)
        {
            using DisposeScope scope = NewDisposeScope();
            string body = DdimTests.ScaledLinear + """, "prediction_type": "sample", "solver_order": 3, "timestep_spacing": "trailing" """;
            ISampler sampler = SchedulerFactory.FromConfig(DdimTests.Json(body), name).CreateSampler(20);
            Tensor clean = tensor(new[] { 0.3, -1.2 });
            Tensor x = tensor(new[] { 1.0, 2.0 }) * sampler.InitialNoiseSigma;
            var history = new List<Tensor>();
            for (int step = 0; step < 20; step++)
            {
                SamplerStep next = sampler.Step(step, x, clean, history, null);
                x = next.Sample;
                history = [.. history.Append(next.Predicted).TakeLast(sampler.HistoryLength)];
            }

            Assert.That(x.data<double>().ToArray(), Is.EqualTo(clean.data<double>().ToArray()).Within(1e-12), name);
        }
    }

    /// <summary>Stable Video Diffusion's file: 700 down to 0.002 by Karras' rule, timestep ln(sigma)/4.</summary>
    [Test]
    public void KarrasSigmasRunBetweenTheFilesEnds()
    {
        var sampler = (EulerDiscreteScheduler.Sampler)EulerDiscreteScheduler.FromConfig(DdimTests.Json(StableVideoDiffusion)).CreateSampler(25);
        Assert.That((sampler.Sigmas[0], sampler.Sigmas[24], sampler.Sigmas[25]), Is.EqualTo((700.0, 0.002, 0.0)).Within(1e-9));
        Assert.That(sampler.Timesteps[0], Is.EqualTo(Math.Log(700) / 4).Within(1e-12));
        Assert.That(sampler.InitialNoiseSigma, Is.EqualTo(Math.Sqrt(490001)).Within(1e-9));
    }

    /// <summary>Python writes infinity without quotes, as real DPM-Solver files do.</summary>
    [Test]
    public void AFileWithPythonsInfinityIsRead()
    {
        string path = Path.Combine(TestContext.CurrentContext.WorkDirectory, $"scheduler-{Guid.NewGuid():N}.json");
        File.WriteAllText(path, """{ "_class_name": "DPMSolverMultistepScheduler", "lambda_min_clipped": -Infinity, "comment": "-Infinity \" stays" }""");
        try
        {
            Assert.That(SchedulerFactory.FromFile(path).CreateSampler(4).Timesteps[0], Is.EqualTo(999));
            Assert.That(SchedulerConfig.ReadFile(path).GetProperty("comment").GetString(), Is.EqualTo("-Infinity \" stays"));
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Test]
    public void NoisingChecksItsTimesteps()
    {
        using DisposeScope scope = NewDisposeScope();
        ForwardProcess process = ForwardProcess.FromConfig(DdimTests.Json(""));
        Tensor x = ones(2, 3);
        Assert.That(() => process.AddNoise(x, x, [0]), Throws.ArgumentException.With.Message.Contains("got 1"));
        Assert.That(() => process.AddNoise(x, x, [0, 1000]), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("999"));
    }
}
