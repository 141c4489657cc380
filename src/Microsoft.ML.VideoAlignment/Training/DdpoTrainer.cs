using System.Globalization;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Pipelines;
using Microsoft.ML.VideoAlignment.Runs;
using Microsoft.ML.VideoAlignment.Schedulers;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Training;

/// <summary>
/// DDPO (Black et al. 2023, arXiv 2305.13301) for video: each denoising step is an action of a Gaussian policy, and steps of videos that scored well are made
/// more probable, within PPO's bounds. Nothing is known of the reward but its scores. Reference: ddpo-pytorch's training script.
/// </summary>
internal sealed class DdpoTrainer : AlignmentTrainer, IResumable
{
    private readonly DdpoSettings _settings;
    private readonly DdpoOptions _options;
    private readonly IPolicySampler _policy;
    private readonly SegmentBuilder _preparation;
    private readonly PpoLoss _loss;
    private readonly PerPromptStatTracker? _tracker;
    private RolloutBuffer? _epoch;

    /// <param name="model">Its scheduler must have policies.</param>
    /// <param name="reward">Need not be differentiable.</param>
    /// <param name="adapters">What learns.</param>
    /// <param name="settings">Validated at the public door.</param>
    /// <param name="policy">The rollouts' sampler; null: the model's, see <see cref="IPolicyScheduler.CreatePolicy"/>.</param>
    public DdpoTrainer(VideoDiffusionModel model, VideoReward reward, LoraAdapters adapters, DdpoSettings settings, IPolicySampler? policy = null)
        : base(model, reward, adapters, settings)
    {
        (_settings, _options) = (settings, settings.Ddpo);
        _policy = policy ?? model.PolicyScheduler.CreatePolicy(settings.Sampling.Steps, _options.Eta);
        _preparation = new SegmentBuilder(model, settings.Sampling, _policy, Conditions);
        _loss = new PpoLoss(_options.AdvantageClip, _options.ClipRange);
        _tracker = _options.PerPromptAdvantages ? new PerPromptStatTracker(_options.AdvantageBuffer, _options.AdvantageMinimum) : null;
    }

    /// <summary>Told of each micro-batch before its backward pass, with its part of the mean's divisor; null: nobody. Tensors live until the update.</summary>
    public Action<PolicyMicroStep>? OnMicroStep { get; init; }

    /// <summary>Denoising steps of a rollout.</summary>
    public int StepCount => _policy.Timesteps.Count;

    /// <summary>Where all videos of a rollout score alike there is nothing to learn from it.</summary>
    protected override bool GradientMayVanish => true;

    /// <summary>Micro-batches whose mean gradient makes an optimizer step.</summary>
    private int MicroBatches => _settings.Accumulation * _options.LearntSteps(StepCount);

    protected override StepOutcome Accumulate(TrainingRandom draws, CancellationToken cancellation)
    {
        if (_epoch is null or { IsExhausted: true })
        {
            _epoch?.Dispose();
            _epoch = null;
            _epoch = Collect(draws, cancellation);
        }

        return Backward(_epoch, cancellation);
    }

    /// <summary>Samples videos of given draws through the one loop; no gradient.</summary>
    public PolicySamples Sample(SegmentInputs segment, CancellationToken cancellation = default)
    {
        using IDisposable? counting = RunContext.Observe(Work);
        return PolicySamples.Run(Model, _policy, _settings.Sampling, Adapters, segment, cancellation);
    }

    /// <summary>
    /// Scores as advantages: over the prompt's earlier scores, or over these. Where they are alike but for <paramref name="rounding"/> they are 0.
    /// </summary>
    public double[] Advantages(IReadOnlyList<string> prompts, IReadOnlyList<double> worth, double rounding = 0) =>
        _tracker?.Update(prompts, worth, rounding) ?? PerPromptStatTracker.Global(worth, rounding);

    /// <summary>An epoch of a rollout that owns <paramref name="samples"/>.</summary>
    public RolloutBuffer Begin(PolicySamples samples, IReadOnlyList<double> advantages, IReadOnlyList<double> scores, IEnumerable<MinibatchOrder> orders) =>
        new(samples, advantages, scores, orders, _settings.BatchSize, _options.LearntSteps(StepCount));

    /// <summary>Adds the gradient of the epoch's next optimizer step to the adapters.</summary>
    public StepOutcome Backward(RolloutBuffer epoch, CancellationToken cancellation = default)
    {
        double loss = 0;
        var scored = new HashSet<int>();
        for (int micro = 0; micro < MicroBatches && !epoch.IsExhausted; micro++)
        {
            cancellation.ThrowIfCancellationRequested();
            PolicyMicroBatch batch = epoch.Next();
            scored.UnionWith(batch.Rows);
            loss += Backward(epoch, batch) / MicroBatches;
        }

        return new StepOutcome(scored.Average(row => epoch.Scores[row]), loss) { ChangesNothing = scored.All(row => epoch.Advantages[row] == 0) };
    }

    public void Save(StateWriter state)
    {
        _tracker?.Save(state.Section("tracker"));
        if (_epoch is { IsExhausted: false })
        {
            _epoch.Save(state.Section("epoch"));
        }
    }

    public void Load(StateReader state)
    {
        _tracker?.Load(state.Section("tracker"));
        _epoch?.Dispose();
        _epoch = null;
        StateReader epoch = state.Section("epoch");
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

    private double Backward(RolloutBuffer epoch, PolicyMicroBatch batch)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable? counting = RunContext.Observe(Work);
        PolicySamples samples = epoch.Samples;
        Tensor At(int ahead) => stack([.. batch.Rows.Zip(batch.Steps, (row, step) => samples.Trajectory[row, step + ahead])]);
        Tensor old = stack([.. batch.Rows.Zip(batch.Steps, (row, step) => samples.LogProbabilities[row, step])]);
        Tensor advantages = tensor(batch.Rows.Select(row => epoch.Advantages[row]).ToArray(), dtype: old.dtype, device: old.device);
        Condition condition = samples.Condition.Rows(batch.Rows);
        Condition? unconditional = _options.TrainWithGuidance ? samples.Unconditional?.Rows(batch.Rows) : null;
        using var guidance = new Guidance(Model, condition, unconditional, _settings.Sampling);

        RunContext.Enter(RunStage.GradientStep);
        Tensor latents = At(0);
        Tensor prediction = guidance.Predict(latents, [.. batch.Steps.Select(step => _policy.Timesteps[step])]);
        (Tensor mean, double[] deviations) = PolicyStep.Compute(_policy, batch.Steps, latents, prediction);
        Tensor probability = PolicyStep.LogProbability(At(1), mean, deviations);
        PpoTerms terms = _loss.Compute(probability, old, advantages);
        OnMicroStep?.Invoke(new PolicyMicroStep(prediction, probability, terms, MicroBatches));
        Recompute.Backward(terms.Loss.Div(MicroBatches));
        return Ops.Number(terms.Loss);
    }

    /// <summary>A rollout of other steps or latents than this run's cannot be learned from.</summary>
    private void RequireFitting(RolloutBuffer epoch, StateReader state)
    {
        PolicySamples samples = epoch.Samples;
        long[] latents = Model.LatentShape(1, _settings.Sampling.Size);
        if (samples.LogProbabilities.shape[1] != StepCount || !samples.Trajectory.shape.Skip(2).SequenceEqual(latents.Skip(1)))
        {
            throw state.Fault("samples/trajectory", $"is {Shapes.Describe(samples.Trajectory)}, expected {StepCount + 1} states of [{string.Join(", ", latents)}] for each video");
        }
    }

    private RolloutBuffer Collect(TrainingRandom draws, CancellationToken cancellation)
    {
        using DisposeScope scope = NewDisposeScope();
        int samples = _options.Samples(_settings.BatchSize * _settings.Accumulation);
        VideoPrompt[] prompts = [.. draws.Prompts(samples / _options.SamplesPerPrompt).SelectMany(prompt => Enumerable.Repeat(prompt, _options.SamplesPerPrompt))];
        var parts = new List<PolicySamples>();
        var scored = new RolloutScorer(Model, Reward, _settings.Sampling, _settings.Frames, _settings.Loss, Work);
        foreach (VideoPrompt[] batch in prompts.Chunk(_settings.BatchSize))
        {
            PolicySamples part = Sample(_preparation.Build(segment: 0, batch, image: null, Noise(draws)), cancellation);
            scored.Add(part.Latents, [.. batch.Select(prompt => prompt.Text)], draws.Next);
            parts.Add(part);
        }

        (double[] scores, double[] worth, double rounding) = scored.Finish();
        double[] advantages = Advantages([.. prompts.Select(prompt => prompt.Text)], worth, rounding);
        if (Array.TrueForAll(advantages, static advantage => advantage == 0))
        {
            Notice("alike", string.Create(
                CultureInfo.InvariantCulture,
                $"DDPO learns from differences, and reward '{Reward.Name}' scored all {samples} videos of a rollout alike, {scores.Min():g9} to "
                    + $"{scores.Max():g9}")
                + ", which rounding explains: such rollouts change no weights. "
                + $"Use a reward with finer scores, or more videos a rollout ({nameof(DdpoOptions)}.{nameof(DdpoOptions.SamplesPerRollout)}).");
        }

        MinibatchOrder[] orders = [.. Enumerable.Range(0, _options.InnerEpochs).Select(_ => MinibatchOrder.Draw(draws, samples, StepCount))];
        return Begin(PolicySamples.Join(parts), advantages, scores, orders);
    }
}

/// <summary>One micro-batch of DDPO on its way, for those who look on.</summary>
/// <param name="Prediction">The (guided) prediction, with its graph.</param>
/// <param name="LogProbability">Of the steps taken, now [B].</param>
/// <param name="Terms">The loss, not divided, and what goes with it.</param>
/// <param name="Divisor">What the loss is divided by before it is back-propagated.</param>
internal readonly record struct PolicyMicroStep(Tensor Prediction, Tensor LogProbability, PpoTerms Terms, int Divisor);
