using System.Text.Json;
using Microsoft.ML.VideoAlignment.Schedulers;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>S11: samplers on given network outputs.</summary>
public sealed class SchedulersRunner : IConformanceRunner
{
    public string Suite => "S11-schedulers";

    public IReadOnlyCollection<string> Kinds => ["diffusers.DDIMScheduler", "diffusers.DPMSolverMultistepScheduler", "diffusers.EulerDiscreteScheduler"];

    public void Run(ConformanceCase testCase)
    {
        ArgumentNullException.ThrowIfNull(testCase);
        IScheduler scheduler = SchedulerFactory.FromConfig(testCase.Config, testCase.Kind["diffusers.".Length..]);
        int steps = testCase.Arguments.GetProperty("num_inference_steps").GetInt32();
        double eta = testCase.Arguments.TryGetProperty("eta", out JsonElement value) ? value.GetDouble() : 0;
        bool rederive = testCase.Arguments.TryGetProperty("use_clipped_model_output", out value) && value.GetBoolean();
        ISampler sampler = scheduler is DdimScheduler ddim ? ddim.CreateSampler(steps, eta, rederive) : scheduler.CreateSampler(steps, eta);

        var outputs = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        CheckTables(testCase, scheduler, sampler, outputs);

        Tensor start = testCase.Input("sample");
        Tensor predictions = testCase.Input("model_output");
        Tensor sample = start;
        var history = new List<Tensor>();
        for (int i = 0; i < sampler.Timesteps.Count; i++)
        {
            if (testCase.Find($"out.scaled.{i}") is not null)
            {
                outputs[$"scaled.{i}"] = sampler.ScaleInput(sample, i);
            }

            SamplerStep step = sampler.Step(i, sample, predictions[i], history, sampler.NeedsNoise(i) ? testCase["in.noise"][i] : null);
            (outputs[$"sample.{i}"], outputs[$"predicted.{i}"]) = step;
            sample = step.Sample;
            history = [.. history.Append(step.Predicted).TakeLast(sampler.HistoryLength)];
        }

        testCase.CheckOutputsAndGradients(outputs,
            new Dictionary<string, Tensor>(StringComparer.Ordinal) { ["sample"] = start, ["model_output"] = predictions });
    }

    /// <summary>Tables agree within a quarter of the tolerance, integers exactly.</summary>
    private static void CheckTables(ConformanceCase testCase, IScheduler scheduler, ISampler sampler, Dictionary<string, Tensor> outputs)
    {
        NoiseSchedule schedule = scheduler switch
        {
            DdimScheduler ddim => ddim.Schedule,
            DpmSolverMultistepScheduler dpm => dpm.Schedule,
            EulerDiscreteScheduler euler => euler.Schedule,
            _ => throw new InvalidOperationException(scheduler.Name),
        };
        var tables = new Dictionary<string, double[]>(StringComparer.Ordinal)
        {
            ["timesteps"] = [.. sampler.Timesteps],
            ["alphas_cumprod"] = schedule.AlphasCumprod.ToArray(),
            ["init_noise_sigma"] = [sampler.InitialNoiseSigma],
        };
        if (scheduler is DdimScheduler final)
        {
            tables["final_alpha_cumprod"] = [final.FinalAlphaCumprod];
        }

        if (((sampler as DpmSolverMultistepScheduler.Sampler)?.Sigmas ?? (sampler as EulerDiscreteScheduler.Sampler)?.Sigmas) is { } sigmas)
        {
            tables["sigmas"] = [.. sigmas];
        }

        double tolerance = testCase.Json.GetProperty("tolerance").GetProperty("out").GetDouble() / 4;
        foreach ((string name, double[] table) in tables)
        {
            if (testCase.Find($"out.{name}") is not { } expected)
            {
                continue;
            }

            double[] reference = expected.to_type(ScalarType.Float64).flatten().data<double>().ToArray();
            double allowed = expected.is_floating_point() ? tolerance * reference.Max(Math.Abs) : 0;
            Assert.That(table, Is.EqualTo(reference).Within(allowed), $"{testCase}: out.{name}");
            outputs[name] = tensor(table).reshape(expected.shape);
        }
    }
}
