using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Schedulers;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Video;

namespace Microsoft.ML.VideoAlignment.Sampling;

/// <summary>
/// Samples a video as segments one after another, each beginning with the last frame of the one before (VADER, arXiv 2407.08737, section 5, longer videos).
/// Generation and training both use it; a video of one segment is an ordinary video.
/// </summary>
/// <remarks>
/// Where blocks are recomputed, each of several segments with gradient is one block too: it keeps the latents at its first gradient step and runs the rest
/// again in the backward pass, so that memory does not grow with the number of segments.
/// </remarks>
internal sealed class SegmentSampler
{
    private readonly VideoDiffusionModel _model;
    private readonly SamplingSettings _settings;
    private readonly ISampler _sampler;
    private readonly LoraAdapters? _adapters;

    /// <param name="model">Samples.</param>
    /// <param name="settings">How to sample, and the number of segments.</param>
    /// <param name="sampler">Made from the settings.</param>
    /// <param name="adapters">Merged in gradient-free steps; null: the base model.</param>
    /// <exception cref="NotSupportedException">Several segments of a model that cannot begin with an image.</exception>
    public SegmentSampler(VideoDiffusionModel model, SamplingSettings settings, ISampler sampler, LoraAdapters? adapters)
    {
        if (Fault(model, settings.SegmentCount) is { } fault)
        {
            throw new NotSupportedException(fault);
        }

        (_model, _settings, _sampler, _adapters) = (model, settings, sampler, adapters);
    }

    /// <summary>Called after each denoising step; null: none. Where segments are recomputed the step has no graph.</summary>
    public Action<Guidance, DenoisingStep>? OnStep { get; init; }

    /// <summary>The rows' prompts of the segment that was sampled last, for messages; empty: not known.</summary>
    public IReadOnlyList<string> Prompts { get; set; } = [];

    private bool RecomputesSegments => Recompute.IsActive && _settings.SegmentCount > 1 && is_grad_enabled();

    /// <summary>Says why a model cannot make videos of a number of segments; null: it can.</summary>
    /// <param name="model">The model.</param>
    /// <param name="segments">The number of segments.</param>
    public static string? Fault(VideoDiffusionModel model, int segments) =>
        segments < 1 ? $"SegmentCount must be at least 1, got {segments}."
        : segments > 1 && model.Images == ImageUse.None
            ? $"SegmentCount {segments}: a further segment begins with the last frame of the one before, and a {model.Family} model makes videos from text "
                + $"alone. "
                + "Use 1, or a model that can begin with an image: StableVideoDiffusion or OpenSora."
        : null;

    /// <summary>Samples all segments.</summary>
    /// <param name="begin">Prepares a segment from its index and the image that it begins with, which is null for the first.</param>
    /// <param name="finish">
    /// Takes a segment's index and latents, and returns the image [B, 3, H, W], RGB in [0, 1], that the next one begins with; after the last segment it is
    /// not read. Latents that are to outlive the call must be moved to the outer scope.
    /// </param>
    public void Run(Func<int, Tensor?, SegmentInputs> begin, Func<int, Tensor, Tensor?> finish)
    {
        Tensor? image = null;
        for (int segment = 0; segment < _settings.SegmentCount; segment++)
        {
            using DisposeScope scope = NewDisposeScope();
            SegmentInputs prepared = begin(segment, image);
            Prompts = prepared.Prompts;
            image = finish(segment, Sample(prepared))?.MoveToOuterDisposeScope();
        }
    }

    /// <summary>Decodes the frames of a segment that a reward sees.</summary>
    /// <param name="latents">The segment's latents [B, c, T, h, w].</param>
    /// <param name="frames">Indices of f frames of the segment, ascending.</param>
    /// <returns>[B, 3, f, H, W], about [-1, 1], with the latents' graph.</returns>
    public Tensor DecodeForReward(Tensor latents, IReadOnlyList<int> frames) =>
        _settings.RewardLatentFrames ? Decoded(latents, frames, segment => _model.DecodeAlone(segment, frames)) : Decode(latents, frames);

    /// <summary>Decodes frames of a segment.</summary>
    /// <param name="latents">The segment's latents [B, c, T, h, w].</param>
    /// <param name="frames">Indices of f frames of the segment, ascending.</param>
    /// <returns>[B, 3, f, H, W], about [-1, 1], with the latents' graph.</returns>
    public Tensor Decode(Tensor latents, IReadOnlyList<int> frames) =>
        Decoded(latents, frames, segment => _model.Decode(segment, _settings.Size.Frames, frames));

    /// <summary>Decodes the frames of a whole video that a reward sees.</summary>
    /// <param name="segments">The latents of each segment, in order.</param>
    /// <param name="frames">Indices of f frames of the video, ascending.</param>
    /// <returns>[B, 3, f, H, W], about [-1, 1], with the latents' graph.</returns>
    public Tensor DecodeForReward(IReadOnlyList<Tensor> segments, IReadOnlyList<int> frames)
    {
        if (segments.Count == 1)
        {
            return DecodeForReward(segments[0], frames);
        }

        using DisposeScope scope = NewDisposeScope();
        int each = _settings.Size.Frames;
        var parts = new List<Tensor>();
        for (int first = 0; first < frames.Count; first += (int)parts[^1].shape[2])
        {
            int segment = frames[first] / each;
            parts.Add(DecodeForReward(segments[segment], [.. frames.Skip(first).TakeWhile(frame => frame / each == segment).Select(frame => frame % each)]));
        }

        return cat(parts, dim: 2).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// Decodes what a reward sees where no gradient is recorded: few frames at a time, so that the decoder's memory does not grow with their number.
    /// </summary>
    /// <param name="segments">The latents of each segment, in order.</param>
    /// <param name="frames">Indices of f frames of the video, ascending.</param>
    /// <returns>[B, 3, f, H, W], RGB in [0, 1].</returns>
    public Tensor FramesForReward(IReadOnlyList<Tensor> segments, IReadOnlyList<int> frames)
    {
        using DisposeScope scope = NewDisposeScope();
        return cat([.. frames.Chunk(_model.DecoderChunkFrames).Select(VisibleFrames)], dim: 2).MoveToOuterDisposeScope();

        Tensor VisibleFrames(int[] part)
        {
            using Tensor pixels = DecodeForReward(segments, part);
            return UnitRange.FromSigned(pixels);
        }
    }

    /// <summary>Decodes a segment's last frame, with which the next one begins.</summary>
    /// <param name="latents">The segment's latents [B, c, T, h, w].</param>
    /// <param name="carry">Whether the frame keeps the latents' graph.</param>
    /// <returns>[B, 3, H, W], RGB in [0, 1].</returns>
    public Tensor LastFrame(Tensor latents, bool carry)
    {
        return carry ? Frame() : StopGradient.Detach(Frame, "frame handed on");

        Tensor Frame()
        {
            using DisposeScope scope = NewDisposeScope();
            return UnitRange.FromSigned(Decode(latents, [_settings.Size.Frames - 1]).squeeze(2)).MoveToOuterDisposeScope();
        }
    }

    private Tensor Decoded(Tensor latents, IReadOnlyList<int> frames, Func<Tensor, Tensor> decode)
    {
        RunContext.Enter(RunStage.Decoding);
        Tensor pixels = RecomputesSegments ? Recompute.Run(inputs => decode(inputs[0]), latents) : decode(latents);
        FiniteVideo.RequireDecoded(pixels, frames, Prompts);
        return pixels;
    }

    private Tensor Sample(SegmentInputs segment)
    {
        if (!RecomputesSegments || !segment.Plan.GradientSteps.Any())
        {
            return Steps(segment);
        }

        // Steps before the first with gradient are constants, so they need not be run again, unless the sampler remembers them.
        ISampler sampler = segment.Sampler ?? _sampler;
        int first = sampler.HistoryLength == 0 ? segment.Plan.GradientSteps.First() : 0;
        Tensor start = first == 0 ? segment.Start : StopGradient.Detach(() => Steps(segment, end: first), "steps before the window");

        // Everything that carries a graph or is drawn must be an input: noise is drawn here, in order, and not again.
        int[] stochastic = [.. Enumerable.Range(first, segment.Plan.Count - first).Where(sampler.NeedsNoise)];
        List<Tensor> inputs = [start, .. stochastic.Select(step => segment.Noise(step))];
        Tensor Add(Tensor tensor)
        {
            inputs.Add(tensor);
            return tensor;
        }

        segment.Condition.Map(Add);
        segment.Unconditional?.Map(Add);
        return Recompute.Run(
            given =>
            {
                int next = 1 + stochastic.Length;
                Tensor FramesOfSegment(Tensor tensor) => given[next++];
                SegmentInputs again = segment with
                {
                    Condition = segment.Condition.Map(FramesOfSegment),
                    Unconditional = segment.Unconditional?.Map(FramesOfSegment),
                    Start = given[0],
                    Noise = step => given[1 + Array.IndexOf(stochastic, step)].alias(),
                };
                return Steps(again, first);
            },
            [.. inputs]);
    }

    private Tensor Steps(SegmentInputs segment, int first = 0, int? end = null)
    {
        RunContext.Enter(RunStage.Sampling);
        using var guidance = new Guidance(_model, segment.Condition, segment.Unconditional, _settings);
        using Tensor latents = Denoising.Run(
            segment.Sampler ?? _sampler, segment.Start, guidance.Predict, segment.Plan, segment.Noise, _adapters, OnStep is null ? null
                : step => OnStep(guidance, step), first, end,
            segment.Prompts);
        return _model.Finish(latents, segment.Condition);
    }
}
