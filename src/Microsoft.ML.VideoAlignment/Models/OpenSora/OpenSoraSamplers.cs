using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Schedulers;

namespace Microsoft.ML.VideoAlignment.Models.OpenSora;

/// <summary>Rectified flow alone, whose times depend on the size of the video.</summary>
/// <param name="flow">How times run.</param>
internal sealed class OpenSoraSamplers(RectifiedFlow flow) : ISamplerFactory
{
    public IScheduler Scheduler => flow;

    public IPolicyScheduler? PolicyScheduler => null;

    public IScheduler Swap(string className) => className == flow.Name
        ? flow
        : throw new NotSupportedException($"{VideoModelFamily.OpenSora} samples with rectified flow (RFLOW) and no other; leave the sampler's name "
            + $"out, got '{className}'.");

    public ISampler CreateSampler(SamplingSettings settings) => CreateSampler(settings, frameMask: null);

    /// <summary>Makes the tables of a segment some of whose frames are given or edited.</summary>
    /// <param name="settings">The run's.</param>
    /// <param name="frameMask">[B, T'], see <see cref="Condition.FrameMask"/>; null: every frame is made.</param>
    public ISampler CreateSampler(SamplingSettings settings, Tensor? frameMask)
    {
        if (settings.Sampler is { } name)
        {
            Swap(name);
        }

        return flow.CreateSampler(settings.Steps, settings.Size.Frames, settings.Size.Height, settings.Size.Width, frameMask);
    }
}
