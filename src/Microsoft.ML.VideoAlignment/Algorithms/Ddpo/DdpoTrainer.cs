using System.Globalization;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Runs;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Schedulers;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Algorithms.Ddpo;

/// <summary>
/// DDPO (Black et al. 2023, arXiv 2305.13301) for video: each denoising step is an action of a Gaussian policy, and steps of videos that scored well are made
/// more probable, within PPO's bounds. Of the reward only scores are used.
/// </summary>
/// <remarks>Reference: ddpo-pytorch's training script.</remarks>
internal sealed class DdpoTrainer : AlignmentTrainer, IResumable
{
    private readonly DdpoOptions _options;
    private readonly IPolicySampler _policy;
    private readonly RolloutCollector _collector;
    private readonly PpoLoss _loss;
    private readonly PerPromptStatTracker? _tracker;
    private RolloutBuffer? _epoch;

    /// <summary>Creates a trainer; model, reward and adapters stay the caller's.</summary>
    /// <param name="run">The run: a model whose scheduler can make policies, and a reward that need not be differentiable.</param>
    /// <param name="adapters">The adapters to train.</param>
    /// <param name="options">Rollouts, clipping and advantages.</param>
    /// <param name="policy">The sampler of the rollouts; null: the one of the model's scheduler (<see cref="IPolicyScheduler.CreatePolicy"/>).</param>
    public DdpoTrainer(TrainingRun run, LoraAdapters adapters, DdpoOptions options, IPolicySampler? policy = null)
        : base(run, adapters)
    {
        _options = options;
        _policy = policy ?? run.Model.PolicyScheduler.CreatePolicy(run.Sampling.Steps, _options.Eta);
        _collector = new RolloutCollector(run, new SegmentBuilder(run.Model, run.Sampling, _policy, Conditions), Work);
        _loss = new PpoLoss(_options.AdvantageClip, _options.ClipRange);
        _tracker = _options.PerPromptAdvantages ? new PerPromptStatTracker(_options.AdvantageBuffer, _options.AdvantageMinimum) : null;
    }

    /// <summary>Receives the diagnostics of each micro-batch before its backward pass; null: none.</summary>
    public Action<PolicyMicroStep>? OnMicroStep { get; init; }

    /// <summary>Denoising steps of a rollout.</summary>
    public int StepCount => _policy.Timesteps.Count;

    /// <summary>Always true: where all videos of a rollout score alike there is nothing to learn.</summary>
    protected override bool GradientMayVanish => true;

    /// <summary>The micro-batches whose mean gradient makes an optimizer step.</summary>
    private int MicroBatches => Training.Optimizer.AccumulationSteps * _options.TrainedSteps(StepCount);

    protected override StepOutcome Accumulate(TrainingRandom draws)
    {
        if (_epoch is null or { IsExhausted: true })
        {
            _epoch?.Dispose();
            _epoch = null;
            _epoch = Collect(draws);
        }

        return Backward(_epoch);
    }

    /// <summary>Samples videos with the policy, without gradient.</summary>
    /// <param name="segment">Conditions, start and noise.</param>
    /// <returns>The trajectories, in the caller's scope.</returns>
    public PolicySamples Sample(SegmentInputs segment)
    {
        using IDisposable? counting = RunContext.Observe(Work);
        return PolicySamples.Run(Model, _policy, Training.Sampling, Adapters, segment);
    }

    /// <summary>Normalizes worths to advantages, over each prompt's remembered worths or over these alone.</summary>
    /// <param name="prompts">The prompt of each video.</param>
    /// <param name="worth">The worth of each video; higher is better.</param>
    /// <param name="rounding">The standard deviation that rounding alone explains: advantages over one no larger are 0.</param>
    /// <returns>The advantages, in the same order.</returns>
    public double[] Advantages(IReadOnlyList<string> prompts, IReadOnlyList<double> worth, double rounding = 0) =>
        _tracker?.Update(prompts, worth, rounding) ?? PerPromptStatTracker.Normalize(worth, rounding);

    /// <summary>Makes a buffer of a rollout.</summary>
    /// <param name="samples">The rollout of N videos, which the buffer disposes.</param>
    /// <param name="advantages">The N videos' advantages.</param>
    /// <param name="scores">The N videos' scores, in the reward's own units.</param>
    /// <param name="orders">One order for each inner epoch.</param>
    public RolloutBuffer Begin(PolicySamples samples, IReadOnlyList<double> advantages, IReadOnlyList<double> scores, IEnumerable<MinibatchOrder> orders) =>
        new(samples, advantages, scores, orders, Training.Optimizer.BatchSize, _options.TrainedSteps(StepCount));

    /// <summary>Adds the gradient of the next optimizer step of a rollout to the adapters.</summary>
    /// <param name="epoch">The rollout's buffer, not exhausted.</param>
    public StepOutcome Backward(RolloutBuffer epoch)
    {
        using DisposeScope scope = NewDisposeScope();
        List<Tensor> losses = [];
        var scored = new HashSet<int>();
        for (int micro = 0; micro < MicroBatches && !epoch.IsExhausted; micro++)
        {
            RunContext.ThrowIfCanceled();
            PolicyMicroBatch batch = epoch.Dequeue();
            scored.UnionWith(batch.Rows);
            losses.Add(Backward(epoch, batch));
        }

        double loss = HostRead.Numbers<double>(stack(losses).to_type(ScalarType.Float64)).Sum(one => one / MicroBatches);
        return new StepOutcome(scored.Average(row => epoch.Scores[row]), loss) { ChangesNothing = scored.All(row => epoch.Advantages[row] == 0) };
    }

    public void Save(StateWriter state)
    {
        _tracker?.Save(state.AddSection("tracker"));
        if (_epoch is { IsExhausted: false })
        {
            _epoch.Save(state.AddSection("epoch"));
        }
    }

    public void Load(StateReader state)
    {
        _tracker?.Load(state.OpenSection("tracker"));
        _epoch?.Dispose();
        _epoch = null;
        StateReader epoch = state.OpenSection("epoch");
        if (!epoch.IsEmpty)
        {
            _epoch = RolloutBuffer.Load(epoch, Model.Device);
            RequireFitting(_epoch, epoch);
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _epoch?.Dispose();
        }

        base.Dispose(disposing);
    }

    // The loss, not divided, which is read once the step's micro-batches are done.
    private Tensor Backward(RolloutBuffer epoch, PolicyMicroBatch batch)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable? counting = RunContext.Observe(Work);
        PolicySamples samples = epoch.Samples;
        Tensor At(int ahead) => stack([.. batch.Rows.Zip(batch.Steps, (row, step) => samples.Trajectory[row, step + ahead])]);
        Tensor old = stack([.. batch.Rows.Zip(batch.Steps, (row, step) => samples.LogProbabilities[row, step])]);
        Tensor advantages = DeviceTable.Create([.. batch.Rows.Select(row => epoch.Advantages[row])], old.device, old.dtype);
        Condition condition = samples.Condition.Rows(batch.Rows);
        Condition? unconditional = _options.TrainWithGuidance ? samples.Unconditional?.Rows(batch.Rows) : null;
        using var guidance = new Guidance(Model, condition, unconditional, Training.Sampling);

        RunContext.Enter(RunStage.GradientStep);
        Tensor latents = At(0);
        Tensor prediction = guidance.Predict(latents, [.. batch.Steps.Select(step => _policy.Timesteps[step])]);
        (Tensor mean, double[] deviations) = PolicyStep.Compute(_policy, batch.Steps, latents, prediction);
        Tensor probability = PolicyStep.LogProbability(At(1), mean, deviations);
        PpoTerms terms = _loss.Compute(probability, old, advantages);
        OnMicroStep?.Invoke(new PolicyMicroStep(prediction, probability, terms, MicroBatches));
        Recompute.Backward(terms.Loss.Div(GetLossDivisor(MicroBatches)));
        return terms.Loss.detach().MoveToOuterDisposeScope();
    }

    // A rollout of other steps or latents than this run's cannot be learned from.
    private void RequireFitting(RolloutBuffer epoch, StateReader state)
    {
        PolicySamples samples = epoch.Samples;
        long[] latents = Model.LatentShape(1, Training.Sampling.Size);
        if (samples.LogProbabilities.shape[1] != StepCount || !samples.Trajectory.shape.Skip(2).SequenceEqual(latents.Skip(1)))
        {
            throw state.CreateFault(
                "samples/trajectory",
                $"is {Shapes.Describe(samples.Trajectory)}, expected {StepCount + 1} states of [{string.Join(", ", latents)}] for each video");
        }
    }

    private RolloutBuffer Collect(TrainingRandom draws)
    {
        using DisposeScope scope = NewDisposeScope();
        int samples = _options.SamplesOfRollout(Training.Optimizer.VideosPerStep);
        ScoredRollout<PolicySamples> rollout = _collector.Collect(
            draws, samples / _options.SamplesPerPrompt, _options.SamplesPerPrompt, Sample, static part => part.Latents);
        double[] advantages = Advantages([.. rollout.Prompts.Select(prompt => prompt.Text)], rollout.Worth, rollout.Rounding);
        if (Array.TrueForAll(advantages, static advantage => advantage == 0))
        {
            Notice("alike", string.Create(
                CultureInfo.InvariantCulture,
                $"DDPO learns from differences, but reward '{Reward.Name}' scored all {samples} videos of a rollout alike, {rollout.Scores.Min():g9} to "
                + $"{rollout.Scores.Max():g9}")
                + ", within rounding: such rollouts change no weights. "
                + $"Use a reward with finer scores, or more videos per rollout ({nameof(DdpoOptions)}.{nameof(DdpoOptions.SamplesPerRollout)}).");
        }

        MinibatchOrder[] orders = [.. Enumerable.Range(0, _options.InnerEpochs).Select(_ => MinibatchOrder.Draw(draws, samples, StepCount))];
        return Begin(PolicySamples.Join(rollout.Parts), advantages, rollout.Scores, orders);
    }
}

/// <summary>Diagnostics of one DDPO micro-batch. The tensors are freed after its backward pass.</summary>
/// <param name="Prediction">The prediction [B, c, T, h, w], guided where training uses guidance, with its graph.</param>
/// <param name="LogProbability">Log-probabilities of the steps under the present policy [B].</param>
/// <param name="Terms">The loss, not divided, and its diagnostics.</param>
/// <param name="Divisor">The divisor of the loss before it is back-propagated, the scale of float16 aside.</param>
internal readonly record struct PolicyMicroStep(Tensor Prediction, Tensor LogProbability, PpoTerms Terms, int Divisor);
