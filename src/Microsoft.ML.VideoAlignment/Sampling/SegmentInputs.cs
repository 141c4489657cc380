using Microsoft.ML.VideoAlignment.Schedulers;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Sampling;

/// <summary>One segment of a video, ready to be sampled.</summary>
internal sealed record SegmentInputs
{
    /// <summary>What the denoiser is told.</summary>
    public required Condition Condition { get; init; }

    /// <summary>What the denoiser is told in the branch to lead away from; null where guidance does not act.</summary>
    public required Condition? Unconditional { get; init; }

    /// <summary>x_0 [B, c, T, h, w].</summary>
    public required Tensor Start { get; init; }

    /// <summary>Noise of stochastic steps.</summary>
    public required StepNoise Noise { get; init; }

    /// <summary>Which steps carry gradient.</summary>
    public required GradientPlan Plan { get; init; }

    /// <summary>The prompts of its rows, for messages; empty: not known.</summary>
    public IReadOnlyList<string> Prompts { get; init; } = [];

    /// <summary>The run's sampler as this segment needs it, with its given frames; null: the run's own.</summary>
    public ISampler? Sampler { get; init; }
}

/// <summary>
/// Makes segments ready, for generation and for training. Draws come in one order: what the conditions need, the start, the plan; then, while the segment is
/// sampled, the noise of its steps.
/// </summary>
/// <param name="model">Whose latents are drawn.</param>
/// <param name="sampling">How the run samples.</param>
/// <param name="sampler">The run's sampler.</param>
/// <param name="conditions">Encodes what the segments are made from.</param>
internal sealed class SegmentBuilder(VideoDiffusionModel model, SamplingSettings sampling, ISampler sampler, ConditionCache conditions)
{
    /// <summary>Makes a video's first segment ready, or with <paramref name="image"/> a further one.</summary>
    /// <param name="segment">Which segment of the video, from 0.</param>
    /// <param name="prompts">B prompts.</param>
    /// <param name="image">
    /// [B, 3, H, W], RGB in [0, 1], that a further segment begins with; the conditions carry gradient where it does. Null for the first.
    /// </param>
    /// <param name="noise">Standard normal noise of a shape [B, ...], on the model's device.</param>
    /// <param name="plan">Which steps carry gradient; null: none.</param>
    public SegmentInputs Build(
        int segment, IReadOnlyList<VideoPrompt> prompts, Tensor? image, Func<IReadOnlyList<long>, Tensor> noise, Func<GradientPlan>? plan = null)
    {
        long[] shape = model.LatentShape(prompts.Count, sampling.Size);
        (Condition conditional, Condition? unconditional) = image is null ? conditions.Get(prompts, noise)
            : conditions.GetForSegment(segment, prompts, image, noise);
        return new SegmentInputs
        {
            Condition = conditional,
            Unconditional = unconditional,
            Start = model.Begin(noise(shape).Mul(sampler.InitialNoiseSigma), conditional),
            Noise = _ => noise(shape),
            Plan = plan?.Invoke() ?? GradientPlan.None(sampler.Timesteps.Count),
            Prompts = [.. prompts.Select(static prompt => prompt.Text)],
            Sampler = model.SamplerFor(sampling, conditional),
        };
    }
}
