using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Rewards;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Schedulers;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Video;

namespace Microsoft.ML.VideoAlignment.Algorithms.RewardGradient;

/// <summary>
/// VADER (Prabhudesai et al. 2024, arXiv 2407.08737), Algorithm 1: sample videos, decode the frames for the reward, score them, and back-propagate the loss
/// through reward, decoder and the window's denoising steps into the adapters.
/// </summary>
/// <remarks>The paper prints the update as a step down the reward; the released code descends on a loss, and so does this class.</remarks>
internal sealed class RewardGradientTrainer : AlignmentTrainer
{
    private readonly RewardGradientOptions _options;
    private readonly GradientWindow _window;

    /// <summary>Creates a trainer; model, reward and adapters stay the caller's.</summary>
    /// <param name="run">The run, whose reward must be differentiable.</param>
    /// <param name="adapters">The adapters to train.</param>
    /// <param name="options">Which denoising steps carry gradient.</param>
    public RewardGradientTrainer(TrainingRun run, LoraAdapters adapters, RewardGradientOptions options)
        : base(run, adapters) => (_options, _window) = (options, options.ResolveWindow(run.Model));

    protected override StepOutcome Accumulate(TrainingRandom draws) => Accumulate(draws, rollout =>
    {
        RunContext.ThrowIfCanceled();
        return Backward(rollout);
    });

    /// <summary>Runs the micro-batches of one optimizer step.</summary>
    /// <param name="draws">The run's random draws.</param>
    /// <param name="run">Runs a micro-batch: <see cref="Backward"/>, or <see cref="Forward"/> for the loss as a function of the adapters.</param>
    /// <returns>Means over the micro-batches.</returns>
    public StepOutcome Accumulate(TrainingRandom draws, Func<Rollout, RolloutResult> run)
    {
        (double reward, double loss) = (0, 0);
        for (int micro = 0; micro < Training.Optimizer.AccumulationSteps; micro++)
        {
            RolloutResult result = run(Draw(draws));
            Tensor both = stack([result.Scores.mean().to_type(ScalarType.Float64), result.Loss.to_type(ScalarType.Float64)]);
            double[] read = HostRead.Numbers<double>(both);
            reward += read[0] / Training.Optimizer.AccumulationSteps;
            loss += read[1] / Training.Optimizer.AccumulationSteps;
        }

        return new StepOutcome(reward, loss);
    }

    /// <summary>Samples, decodes, scores, and adds the gradient of loss / accumulation to the adapters.</summary>
    /// <param name="rollout">The micro-batch.</param>
    public RolloutResult Backward(Rollout rollout) => Run(rollout, backward: true);

    /// <summary>Samples, decodes and scores like <see cref="Backward"/>, but does not back-propagate: for the loss as a function of the adapters.</summary>
    /// <param name="rollout">The micro-batch.</param>
    public RolloutResult Forward(Rollout rollout) => Run(rollout, backward: false);

    /// <summary>Draws the next micro-batch.</summary>
    /// <param name="draws">The run's random draws.</param>
    public Rollout Draw(TrainingRandom draws)
    {
        IReadOnlyList<VideoPrompt> prompts = draws.Prompts(Training.Optimizer.BatchSize);
        Func<IReadOnlyList<long>, Tensor> noise = draws.NoiseFor(Model);
        SegmentInputs first = Segment(0, image: null);
        return new Rollout
        {
            Prompts = [.. prompts.Select(prompt => Model.RewardText(prompt.Text, Training.Sampling.SegmentCount))],
            First = first,
            Frames = Training.Frames.Select(Training.Sampling.RewardFrameCount(Model), draws.Next),
            Copies = [.. Enumerable.Repeat(() => noise(first.Start.shape), _window.Copies - 1)],
            Later =
            [
                .. Enumerable.Range(1, Training.Sampling.SegmentCount - 1).Select(segment => (Func<Tensor, SegmentInputs>)(image => Segment(segment, image))),
            ],
        };

        SegmentInputs Segment(int index, Tensor? image) =>
            SegmentBuilder.Build(index, prompts, image, noise, () => _window.Resolve(Sampler, draws.Next));
    }

    private RolloutResult Run(Rollout rollout, bool backward)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable? counting = RunContext.Observe(Work);
        using KlPenalty? distance = _options.KlWeight > 0 ? new KlPenalty(Adapters, Sampler) : null;
        var chain = new SegmentSampler(Model, Training.Sampling, Sampler, Adapters) { OnStep = distance is null ? null : distance.Add };
        var segments = new List<Tensor>();
        chain.Run((index, image) => Begin(rollout, index, image), Finish);
        Work.AddRewardQueries(rollout.Prompts.Count * WindowedScoring.CountWindows(Training));

        // The penalty belongs to the whole loss, which is divided by the number of copies.
        int copies = 1 + rollout.Copies.Count;
        Tensor? penalty;
        using (NewDisposeScope())
        {
            penalty = distance?.TakeTotal() is { } apart ? apart.Mul(_options.KlWeight * copies).MoveToOuterDisposeScope() : null;
        }

        (Tensor decoded, Tensor scores, Tensor loss) = Decode(segments, penalty, ScoreUse.Training);

        // Copies make graphs of their own: the first graph, which is spent, must not be kept beside them.
        penalty?.Dispose();
        Tensor[] finished = [.. segments.Select(static segment => segment.detach())];
        segments.ForEach(static segment => segment.Dispose());
        foreach (Func<Tensor> noise in rollout.Copies)
        {
            using DisposeScope copy = NewDisposeScope();
            Tensor clean = Copy(rollout, StopGradient.Detach(finished[0].detach, "finished latents"), noise());
            loss = loss.Add(Decode([clean], penalty: null, ScoreUse.Repetition).Loss).MoveToOuterDisposeScope();
        }

        loss = loss.Div(copies);
        Tensor latents = finished.Length == 1 ? finished[0] : cat(finished, dim: 2);
        return new RolloutResult(Keep(latents), Keep(decoded), Keep(scores), Keep(loss));

        Tensor? Finish(int index, Tensor latents)
        {
            segments.Add(latents.MoveToOuterDisposeScope());
            return index + 1 < Training.Sampling.SegmentCount ? chain.LastFrame(latents, _options.CarryGradientAcrossSegments) : null;
        }

        (Tensor Decoded, Tensor Scores, Tensor Loss) Decode(IReadOnlyList<Tensor> latents, Tensor? penalty, ScoreUse use)
        {
            using DisposeScope graph = NewDisposeScope();
            var decode = new ChunkedDecode(chain, Training.Memory.FramesPerDecode);
            (Tensor shown, Tensor given, Tensor lost) = backward
                ? decode.Backward(latents, rollout.Frames, Scored, 1.0 / GetLossDivisor(Training.Optimizer.AccumulationSteps * copies), penalty)
                : decode.Forward(latents, rollout.Frames, Scored, penalty);
            return (Keep(shown), Keep(given), Keep(lost));

            (Tensor Scores, Tensor Loss) Scored(Tensor pixels) => Score(pixels, rollout.Prompts, use);
        }

        static Tensor Keep(Tensor tensor) => tensor.detach().MoveToOuterDisposeScope();
    }

    // A segment that no scored frame depends on needs no graph.
    private SegmentInputs Begin(Rollout rollout, int index, Tensor? image)
    {
        SegmentInputs segment = rollout.Begin(index, image);
        int frames = Training.Sampling.Size.Frames;
        bool scored = rollout.Frames.Any(frame => frame / frames == index || (_options.CarryGradientAcrossSegments && frame / frames > index));
        return scored || Training.Sampling.SegmentCount == 1 ? segment : segment with { Plan = segment.Plan.WithoutGradient() };
    }

    private (Tensor Scores, Tensor Loss) Score(Tensor decoded, IReadOnlyList<string> prompts, ScoreUse use)
    {
        RunContext.Enter(RunStage.Scoring);
        Tensor scores = WindowedScoring.Score(Training, UnitRange.FromSigned(decoded), prompts, use);
        return (scores, Training.Loss.Compute(scores));
    }

    // DRaFT-LV, arXiv 2309.17400, algorithm 1: the finished latents, noised to the last step's level and denoised once.
    private Tensor Copy(Rollout rollout, Tensor finished, Tensor noise)
    {
        using DisposeScope scope = NewDisposeScope();
        IPolicyScheduler scheduler = Model.PolicyScheduler;
        ISampler sampler = scheduler.CreateSampler(Training.Sampling.Steps);
        int last = sampler.Timesteps.Count - 1;
        long[] timesteps = [.. Enumerable.Repeat((long)sampler.Timesteps[last], (int)finished.shape[0])];
        Tensor noised = scheduler.Forward.AddNoise(finished, noise, timesteps);
        using var guidance = new Guidance(Model, rollout.First.Condition, rollout.First.Unconditional, Training.Sampling);
        Work.AddRewardQueries(finished.shape[0] * WindowedScoring.CountWindows(Training));
        var plan = GradientPlan.Suffix(last + 1, last, stop: last);
        return Denoising.Run(sampler, noised, guidance.Predict, plan, adapters: Adapters, first: last, prompts: rollout.Prompts).MoveToOuterDisposeScope();
    }
}
