using System.Text.Json;
using Microsoft.ML.VideoAlignment.Schedulers;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>S11: samplers on given network outputs.</summary>
public class SchedulersRunner : IConformanceRunner
{
    public virtual string Suite => "S11-schedulers";

    public virtual IReadOnlyCollection<string> Kinds =>
        ["diffusers.DDIMScheduler", "diffusers.DPMSolverMultistepScheduler", "diffusers.EulerDiscreteScheduler"];

    public void Run(ConformanceCase testCase)
    {
        ArgumentNullException.ThrowIfNull(testCase);
        IScheduler scheduler = SchedulerFactory.FromConfig(testCase.Config, testCase.Kind["diffusers.".Length..]);
        ISampler sampler = CreateSampler(scheduler, testCase.Arguments);

        var outputs = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        CheckTables(testCase, scheduler, sampler, outputs);
        if (testCase.Find("out.noisy") is not null)
        {
            CheckNoising(testCase, (FlowMatchEulerDiscreteScheduler)scheduler, outputs);
            return;
        }

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
            if (i > 0 && sampler is UniPCMultistepScheduler.Sampler corrector)
            {
                outputs[$"corrected.{i}"] = corrector.Correct(i, sample, step.Predicted, history);
            }

            sample = step.Sample;
            history = [.. history.Append(step.Predicted).TakeLast(sampler.HistoryLength)];
        }

        testCase.CheckOutputsAndGradients(outputs,
            new Dictionary<string, Tensor>(StringComparer.Ordinal) { ["sample"] = start, ["model_output"] = predictions });
    }

    private static ISampler CreateSampler(IScheduler scheduler, JsonElement arguments)
    {
        double? mu = arguments.TryGetProperty("mu", out JsonElement value) ? value.GetDouble() : null;
        if (arguments.TryGetProperty("sigmas", out value))
        {
            return ((FlowMatchEulerDiscreteScheduler)scheduler).CreateSampler([.. value.EnumerateArray().Select(sigma => sigma.GetDouble()), 0], mu);
        }

        int steps = arguments.GetProperty("num_inference_steps").GetInt32();
        double eta = arguments.TryGetProperty("eta", out value) ? value.GetDouble() : 0;
        bool rederive = arguments.TryGetProperty("use_clipped_model_output", out value) && value.GetBoolean();
        return scheduler is DdimScheduler ddim ? ddim.CreateSampler(steps, eta, rederive)
            : mu is { } shift ? ((FlowMatchEulerDiscreteScheduler)scheduler).CreateShiftedSampler(steps, shift)
            : scheduler.CreateSampler(steps, eta);
    }

    private static void CheckNoising(ConformanceCase testCase, FlowMatchEulerDiscreteScheduler scheduler, Dictionary<string, Tensor> outputs)
    {
        Dictionary<string, Tensor> inputs = testCase.Inputs("original_samples", "noise");
        outputs["noisy"] = scheduler.AddNoise(inputs["original_samples"], inputs["noise"], testCase["in.timestep"]);
        testCase.CheckOutputsAndGradients(outputs, inputs);
    }

    /// <summary>Tables agree within a quarter of the tolerance, integers exactly.</summary>
    private static void CheckTables(ConformanceCase testCase, IScheduler scheduler, ISampler sampler, Dictionary<string, Tensor> outputs)
    {
        NoiseSchedule? schedule = scheduler switch
        {
            DdimScheduler ddim => ddim.Schedule,
            DpmSolverMultistepScheduler dpm => dpm.Schedule,
            EulerDiscreteScheduler euler => euler.Schedule,
            _ => null,
        };
        var tables = new Dictionary<string, double[]>(StringComparer.Ordinal)
        {
            ["timesteps"] = [.. sampler.Timesteps],
            ["init_noise_sigma"] = [sampler.InitialNoiseSigma],
        };
        if (schedule is not null)
        {
            tables["alphas_cumprod"] = schedule.AlphasCumprod.ToArray();
        }

        if (scheduler is DdimScheduler final)
        {
            tables["final_alpha_cumprod"] = [final.FinalAlphaCumprod];
        }

        IReadOnlyList<double>? sigmas = sampler switch
        {
            DpmSolverMultistepScheduler.Sampler dpm => dpm.Sigmas,
            EulerDiscreteScheduler.Sampler euler => euler.Sigmas,
            FlowMatchEulerDiscreteScheduler.Sampler flow => flow.Sigmas,
            UniPCMultistepScheduler.Sampler uniPC => uniPC.Sigmas,
            _ => null,
        };
        if (sigmas is not null)
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

/// <summary>S19: samplers on the straight path.</summary>
public sealed class FlowSchedulersRunner : SchedulersRunner
{
    public override string Suite => "S19-wan";

    public override IReadOnlyCollection<string> Kinds =>
        ["diffusers.DPMSolverMultistepScheduler", "diffusers.FlowMatchEulerDiscreteScheduler", "diffusers.UniPCMultistepScheduler"];
}
