using Microsoft.ML.VideoAlignment.Schedulers;

namespace Microsoft.ML.VideoAlignment.Sampling;

/// <summary>The schedulers that a model's files make.</summary>
internal interface ISamplerFactory
{
    /// <summary>The files' own.</summary>
    IScheduler Scheduler { get; }

    /// <summary>The scheduler whose steps are Gaussian; null: the model's latents follow another process.</summary>
    IPolicyScheduler? PolicyScheduler { get; }

    /// <summary>Makes another scheduler from the same files.</summary>
    /// <param name="className">The reference class, such as "DDIMScheduler".</param>
    /// <exception cref="NotSupportedException">The name is not known, or fits no such model; the message says which do.</exception>
    IScheduler Swap(string className);

    /// <summary>Makes the tables of one run.</summary>
    /// <param name="settings">The sampler, its steps, and whatever else of the video decides them.</param>
    /// <exception cref="NotSupportedException">The sampler that is asked for fits no such model.</exception>
    ISampler CreateSampler(SamplingSettings settings);
}
