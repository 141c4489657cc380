using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Schedulers;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Video;

namespace Microsoft.ML.VideoAlignment.Sampling;

/// <summary>
/// A video: clips one after another, each beginning with the last frame of the one before (VADER, arXiv 2407.08737, section 5, longer videos). Every clip
/// goes through the one sampling loop; a video of one clip is an ordinary video. Generation and training both come through here.
/// </summary>
/// <remarks>
/// Where blocks are recomputed, each graded clip of several is one block too: it keeps the latents at its first gradient step and runs the rest again in
/// the backward pass, so that memory does not grow with the number of clips.
/// </remarks>
internal sealed class SegmentSampler
{
    private readonly VideoDiffusionModel _model;
    private readonly SamplingSettings _settings;
    private readonly ISampler _sampler;
    private readonly LoraAdapters? _adapters;

    /// <param name="model">Samples.</param>
    /// <param name="settings">How, and how many clips.</param>
    /// <param name="sampler">Made from the settings.</param>
    /// <param name="adapters">Merged in gradient-free steps; null: the base model.</param>
    /// <exception cref="NotSupportedException">Several clips of a model that cannot begin with an image.</exception>
    public SegmentSampler(VideoDiffusionModel model, SamplingSettings settings, ISampler sampler, LoraAdapters? adapters)
    {
        if (Fault(model, settings.SegmentCount) is { } fault)
        {
            throw new NotSupportedException(fault);
        }

        (_model, _settings, _sampler, _adapters) = (model, settings, sampler, adapters);
    }

    /// <summary>Told of each denoising step, with what made its prediction; null: nobody. Where clips are recomputed it sees no graph.</summary>
    public Action<Guidance, DenoisingStep>? OnStep { get; init; }

    /// <summary>Prompts of the rows, for messages: those of the clip that was sampled last; empty: not known.</summary>
    public IReadOnlyList<string> Prompts { get; set; } = [];

    private bool RecomputesSegments => _model.RecomputeBlocks && _settings.SegmentCount > 1 && is_grad_enabled();

    /// <summary>What keeps the model from videos of so many clips; null: nothing.</summary>
    public static string? Fault(VideoDiffusionModel model, int segments) =>
        segments < 1 ? $"SegmentCount must be at least 1, got {segments}."
        : segments > 1 && model.Images == ImageUse.None
            ? $"SegmentCount {segments}: a further clip begins with the last frame of the one before, and a {model.Family} model makes videos from text alone. "
                + "Use 1, or a model that can begin with an image: StableVideoDiffusion or OpenSora."
        : null;

    /// <summary>Samples all clips.</summary>
    /// <param name="begin">Makes a clip ready. Its argument: the clip's index, and the image that it begins with; null for the first.</param>
    /// <param name="finish">
    /// Takes a clip's index and latents, and returns the image [B, 3, H, W], RGB in [0, 1], that the next one begins with; what comes after the last clip
    /// is not read. Latents that are to outlive the call must be moved to the outer scope.
    /// </param>
    /// <param name="cancellation">Checked at each step.</param>
    public void Run(Func<int, Tensor?, SegmentInputs> begin, Func<int, Tensor, Tensor?> finish, CancellationToken cancellation = default)
    {
        Tensor? image = null;
        for (int segment = 0; segment < _settings.SegmentCount; segment++)
        {
            using DisposeScope scope = NewDisposeScope();
            SegmentInputs prepared = begin(segment, image);
            Prompts = prepared.Prompts;
            image = finish(segment, Sample(prepared, cancellation))?.MoveToOuterDisposeScope();
        }
    }

    /// <summary>Decoder output of the frames of a clip that a reward is shown [B, 3, f, H, W], about [-1, 1], with the latents' graph.</summary>
    public Tensor DecodeForReward(Tensor latents, IReadOnlyList<int> frames) =>
        _settings.RewardsLatentFrames ? Decoded(latents, frames, segment => _model.DecodeAlone(segment, frames)) : Decode(latents, frames);

    /// <summary>Decoder output of frames of a clip [B, 3, f, H, W], about [-1, 1], with the latents' graph.</summary>
    public Tensor Decode(Tensor latents, IReadOnlyList<int> frames) => Decoded(latents, frames, segment => _model.Decode(segment, _settings.Size.Frames, frames));

    /// <summary>The same of frames of a whole video, ascending, whose clips' latents follow one another.</summary>
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
    /// What a reward is shown [B, 3, f, H, W], RGB in [0, 1], where no gradient is recorded: few frames are decoded at a time, so that the decoder's memory
    /// does not grow with their number.
    /// </summary>
    public Tensor FramesForReward(IReadOnlyList<Tensor> segments, IReadOnlyList<int> frames)
    {
        using DisposeScope scope = NewDisposeScope();
        return cat([.. frames.Chunk(_model.FramesDecodedTogether).Select(VisibleFrames)], dim: 2).MoveToOuterDisposeScope();

        Tensor VisibleFrames(int[] part)
        {
            using Tensor pixels = DecodeForReward(segments, part);
            return UnitRange.FromSigned(pixels);
        }
    }

    /// <summary>What the next clip begins with: the clip's last frame [B, 3, H, W], RGB in [0, 1]. Without <paramref name="carry"/> it has no graph.</summary>
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
        MemoryProfiler.Enter(MemoryPhase.Decode);
        _model.Idle?.Enter(WorkStage.Decoding);
        Tensor pixels = Recompute.Run(RecomputesSegments ? _model.Activations : ActivationMemory.Keep, inputs => decode(inputs[0]), latents);
        FiniteVideo.RequireDecoded(pixels, frames, Prompts);
        return pixels;
    }

    private Tensor Sample(SegmentInputs segment, CancellationToken cancellation)
    {
        if (!RecomputesSegments || !segment.Plan.GradientSteps.Any())
        {
            return Steps(segment, cancellation);
        }

        // Steps before the first graded one are constants, so they need not be run again, unless the sampler remembers them.
        ISampler sampler = segment.Sampler ?? _sampler;
        int first = sampler.HistoryLength == 0 ? segment.Plan.GradientSteps.First() : 0;
        Tensor start = first == 0 ? segment.Start : StopGradient.Detach(() => Steps(segment, cancellation, end: first), "steps before the window");

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
            _model.Activations, given =>
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
                return Steps(again, cancellation, first);
            },
            [.. inputs]);
    }

    private Tensor Steps(SegmentInputs segment, CancellationToken cancellation, int first = 0, int? end = null)
    {
        _model.Idle?.Enter(WorkStage.Sampling);
        using var guidance = new Guidance(_model, segment.Condition, segment.Unconditional, _settings);
        using Tensor latents = Denoising.Run(
            segment.Sampler ?? _sampler, segment.Start, guidance.Predict, segment.Plan, segment.Noise, _adapters, OnStep is null ? null : step => OnStep(guidance, step), first, end,
            segment.Prompts, cancellation);
        return _model.Finish(latents, segment.Condition);
    }
}
