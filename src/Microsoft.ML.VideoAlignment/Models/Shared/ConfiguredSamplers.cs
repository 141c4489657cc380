using System.Text.Json;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Schedulers;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Models;

/// <summary>The schedulers of a diffusers folder: whatever class its scheduler_config.json names, or another one made from the same keys.</summary>
/// <param name="config">The scheduler_config.json.</param>
/// <param name="policy">Makes the scheduler of Gaussian steps where the folder's own has none; null: there is none then.</param>
internal sealed class ConfiguredSamplers(JsonElement config, Func<JsonElement, IPolicyScheduler>? policy = null) : ISamplerFactory
{
    private IPolicyScheduler? _policyScheduler;

    public IScheduler Scheduler { get; } = SchedulerFactory.FromConfig(config);

    public IPolicyScheduler? PolicyScheduler => _policyScheduler ??= Scheduler as IPolicyScheduler ?? policy?.Invoke(config);

    /// <summary>Reads the scheduler_config.json of a model's folder and checks that its class is known.</summary>
    /// <param name="files">The model's folder.</param>
    public static JsonElement Read(DiffusersFolder files) => files.OpenComponent("scheduler").Parse(
        json =>
        {
            SchedulerFactory.FromConfig(json);
            return json;
        },
        "scheduler_config.json");

    public IScheduler Swap(string className) => SchedulerFactory.FromConfig(config, className);

    public ISampler CreateSampler(SamplingSettings settings)
    {
        IScheduler scheduler = settings.Sampler is { } name ? Swap(name) : Scheduler;
        return settings.Sigmas is not { } sigmas ? scheduler.CreateSampler(settings.Steps, settings.Eta)
            : scheduler is INoiseLevelScheduler free ? free.CreateSampler(sigmas)
            : throw new NotSupportedException($"Noise levels of one's own (sigmas) need {nameof(EulerDiscreteScheduler)} or "
                + $"{nameof(FlowMatchEulerDiscreteScheduler)}; this run's sampler is {scheduler.Name}.");
    }
}
