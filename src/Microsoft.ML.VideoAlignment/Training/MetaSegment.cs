using Microsoft.ML.VideoAlignment.Sampling;

namespace Microsoft.ML.VideoAlignment.Training;

/// <summary>Clips of shapes without numbers, for <see cref="TrainingDryRun"/>.</summary>
internal static class MetaSegment
{
    /// <summary>A clip of so many videos, each text as long as the network takes it.</summary>
    public static SegmentInputs Create(VideoDiffusionModel model, SamplingSettings sampling, int videos, GradientPlan plan)
    {
        long[] shape = model.LatentShape(videos, sampling.Size);
        return new SegmentInputs
        {
            Condition = model.EmptyCondition(videos, sampling.Size),
            Unconditional = model.GuidanceActs(sampling.GuidanceScale) ? model.EmptyCondition(videos, sampling.Size) : null,
            Start = Empty(shape),
            Noise = _ => Empty(shape),
            Plan = plan,
        };
    }

    /// <summary>As many prompts; no word of them is read.</summary>
    public static string[] Prompts(int videos) => [.. Enumerable.Repeat("", videos)];

    public static Tensor Empty(params long[] shape) => empty(shape, device: META);
}
