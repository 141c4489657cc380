using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Schedulers;

namespace Microsoft.ML.VideoAlignment.Models.VideoCrafter;

/// <summary>lvdm's DDIM alone: the scale array that goes with the model's schedule is known to no other sampler.</summary>
/// <param name="scheduler">The model's schedule.</param>
internal sealed class VideoCrafterSamplers(VideoCrafterDdimScheduler scheduler) : ISamplerFactory
{
    public IScheduler Scheduler => scheduler;

    public IPolicyScheduler? PolicyScheduler => scheduler;

    public IScheduler Swap(string className) => className == scheduler.Name
        ? scheduler
        : throw new NotSupportedException($"VideoCrafter samples with {scheduler.Name} only, got '{className}'. Leave the sampler out.");

    public ISampler CreateSampler(SamplingSettings settings) =>
        (settings.Sampler is { } name ? Swap(name) : scheduler).CreateSampler(settings.Steps, settings.Eta);
}
