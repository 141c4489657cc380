using Microsoft.ML.VideoAlignment.Schedulers;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>S11: noising, velocity and signal-to-noise ratio.</summary>
public sealed class ForwardProcessRunner : IConformanceRunner
{
    public string Suite => "S11-schedulers";

    public IReadOnlyCollection<string> Kinds => ["diffusers.DDPMScheduler"];

    public void Run(ConformanceCase testCase)
    {
        ArgumentNullException.ThrowIfNull(testCase);
        ForwardProcess process = ForwardProcess.FromConfig(testCase.Config);
        Tensor clean = testCase.Input("original_samples");
        Tensor noise = testCase.Input("noise");
        long[] timesteps = testCase["in.timesteps"].cpu().data<long>().ToArray();
        testCase.CheckOutputsAndGradients(
            new Dictionary<string, Tensor>(StringComparer.Ordinal)
            {
                ["alphas_cumprod"] = tensor(process.Schedule.AlphasCumprod.ToArray()),
                ["noisy"] = process.AddNoise(clean, noise, timesteps),
                ["velocity"] = process.Velocity(clean, noise, timesteps),
                ["snr"] = tensor(timesteps.Select(process.SignalToNoise).ToArray()),
            },
            new Dictionary<string, Tensor>(StringComparer.Ordinal) { ["original_samples"] = clean, ["noise"] = noise });
    }
}
