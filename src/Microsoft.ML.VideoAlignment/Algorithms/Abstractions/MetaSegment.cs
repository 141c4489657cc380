using Microsoft.ML.VideoAlignment.Sampling;

namespace Microsoft.ML.VideoAlignment.Algorithms;

/// <summary>Makes segments of shapes without numbers, on the meta device, for <see cref="TrainingDryRun"/>.</summary>
internal static class MetaSegment
{
    /// <summary>Makes the inputs of a segment; each text is as long as the network reads.</summary>
    /// <param name="model">The model.</param>
    /// <param name="sampling">Size and guidance of the videos.</param>
    /// <param name="videos">Videos of the batch.</param>
    /// <param name="plan">The gradient plan.</param>
    public static SegmentInputs Create(VideoDiffusionModel model, SamplingSettings sampling, int videos, GradientPlan plan)
    {
        long[] shape = model.LatentShape(videos, sampling.Size);
        return new SegmentInputs
        {
            Condition = model.EmptyCondition(videos, sampling.Size),
            Unconditional = model.GuidanceActs(sampling.GuidanceScale) ? model.EmptyCondition(videos, sampling.Size) : null,
            Start = EmptyTensor(shape),
            Noise = _ => EmptyTensor(shape),
            Plan = plan,
        };
    }

    /// <summary>Makes prompts, which are not read.</summary>
    /// <param name="videos">The number of prompts.</param>
    public static string[] EmptyPrompts(int videos) => [.. Enumerable.Repeat("", videos)];

    /// <summary>Makes a tensor without numbers.</summary>
    /// <param name="shape">Its shape.</param>
    public static Tensor EmptyTensor(params long[] shape) => empty(shape, device: META);
}
