using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Runs;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Schedulers;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Algorithms.DiffusionDpo;

/// <summary>
/// Diffusion-DPO (Wallace et al. 2023, arXiv 2311.12908) for video, on pairs that the reward makes: of a prompt's videos the one with the best score wins and
/// the one with the worst loses. The reference is the same network with the adapters off, and of the reward only scores are used.
/// </summary>
internal sealed class DiffusionDpoTrainer : AlignmentTrainer, IResumable
{
    private readonly DiffusionDpoSettings _settings;
    private readonly DiffusionDpoOptions _options;
    private readonly IPolicyScheduler _scheduler;
    private readonly DiffusionDpoLoss _loss;
    private readonly PreferencePairs _pairs = new();

    /// <summary>Creates a trainer; model, reward and adapters stay the caller's.</summary>
    /// <param name="model">A model whose scheduler has a forward process.</param>
    /// <param name="reward">The reward, which need not be differentiable.</param>
    /// <param name="adapters">The adapters to train.</param>
    /// <param name="settings">The validated settings.</param>
    public DiffusionDpoTrainer(VideoDiffusionModel model, VideoReward reward, LoraAdapters adapters, DiffusionDpoSettings settings)
        : base(model, reward, adapters, settings)
    {
        (_settings, _options) = (settings, settings.Dpo);
        _scheduler = model.PolicyScheduler;
        _loss = new DiffusionDpoLoss(_options.Beta);
    }

    /// <summary>Receives the diagnostics of each micro-batch before its backward pass; null: none.</summary>
    public Action<PreferenceMicroStep>? OnMicroStep { get; init; }

    /// <summary>How many prompts gave no pair so far, because all of their videos scored alike.</summary>
    public int Ties { get; private set; }

    protected override StepOutcome Accumulate(TrainingRandom draws, CancellationToken cancellation)
    {
        (double reward, double loss) = (0, 0);
        for (int micro = 0; micro < _settings.AccumulationSteps; micro++)
        {
            cancellation.ThrowIfCancellationRequested();
            using DisposeScope scope = NewDisposeScope();
            while (_pairs.Count < _settings.BatchSize)
            {
                Collect(draws, cancellation);
            }

            IReadOnlyList<PreferencePair> pairs = _pairs.Dequeue(_settings.BatchSize);
            Tensor latents = cat([.. pairs.Select(pair => pair.Winner), .. pairs.Select(pair => pair.Loser)]);
            loss += Backward(new PreferenceBatch(
                latents,
                draws.Noise([pairs.Count, .. latents.shape[1..]], Model.Device),
                [.. pairs.Select(_ => (long)draws.Next(_scheduler.TrainTimesteps))],
                Condition.Stack([.. pairs.Select(pair => pair.Condition)]))) / _settings.AccumulationSteps;
            reward += pairs.Average(pair => pair.Score) / _settings.AccumulationSteps;
            _pairs.Release(pairs);
        }

        return new StepOutcome(reward, loss);
    }

    /// <summary>Adds the gradient of loss / accumulation to the adapters.</summary>
    /// <param name="batch">The micro-batch.</param>
    /// <returns>The loss, not divided.</returns>
    public double Backward(PreferenceBatch batch)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable? counting = RunContext.Observe(Work);
        long[] timesteps = [.. batch.Timesteps, .. batch.Timesteps];
        double[] times = [.. timesteps.Select(static t => (double)t)];
        Tensor noise = cat([batch.Noise, batch.Noise]);
        Condition condition = Condition.Stack(batch.Condition, batch.Condition);
        Tensor noisy = _scheduler.Forward.AddNoise(batch.Latents, noise, timesteps);
        Tensor target = _scheduler.Forward.Target(_scheduler.Prediction, batch.Latents, noise, timesteps);
        Tensor reference = Reference(noisy, times, condition);
        RunContext.Enter(RunStage.GradientStep);
        Tensor prediction = Guidance.Evaluate(Model, noisy, times, condition);
        DiffusionDpoTerms terms = _loss.Compute(prediction, reference, target);
        OnMicroStep?.Invoke(new PreferenceMicroStep(prediction, reference, terms, _settings.AccumulationSteps));
        Recompute.Backward(terms.Loss.Div(_settings.AccumulationSteps));
        return Ops.Number(terms.Loss);
    }

    /// <summary>Samples with the model's own sampler, without gradient.</summary>
    /// <param name="segment">Conditions, start and noise.</param>
    /// <param name="cancellation">Checked at each denoising step.</param>
    /// <returns>The finished latents [B, c, T, h, w].</returns>
    public Tensor Sample(SegmentInputs segment, CancellationToken cancellation = default)
    {
        using IDisposable guard = no_grad();
        using var guidance = new Guidance(Model, segment.Condition, segment.Unconditional, _settings.Sampling);
        using IDisposable? counting = RunContext.Observe(Work);
        return _options.SampleFromBaseModel ? Adapters.RunDisabled(Run) : Run();

        Tensor Run() => Denoising.Run(
            segment.Sampler ?? Sampler, segment.Start, guidance.Predict, segment.Plan, segment.Noise, Adapters, prompts: segment.Prompts,
            cancellation: cancellation);
    }

    public void Save(StateWriter state)
    {
        state.Write("ties", Ties);
        _pairs.Save(state.AddSection("pairs"));
    }

    public void Load(StateReader state)
    {
        Ties = (int)state.ReadInteger("ties", maximum: int.MaxValue);
        _pairs.Load(state.OpenSection("pairs"), Model.Device);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _pairs.Dispose();
        }

        base.Dispose(disposing);
    }

    private Tensor Reference(Tensor noisy, double[] times, Condition condition)
    {
        using IDisposable guard = no_grad();
        RunContext.Enter(RunStage.Sampling);
        return Adapters.RunDisabled(() => Guidance.Evaluate(Model, noisy, times, condition));
    }

    // Samples and scores the videos of a rollout, and queues its pairs.
    private void Collect(TrainingRandom draws, CancellationToken cancellation)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        int count = _options.PairsOfRollout(_settings.BatchSize * _settings.AccumulationSteps), each = _options.CandidatesPerPrompt;
        VideoPrompt[] prompts = [.. draws.Prompts(count).SelectMany(prompt => Enumerable.Repeat(prompt, each))];
        var latents = new List<Tensor>();
        var conditions = new List<Condition>();
        var scored = new RolloutScorer(Model, Reward, _settings.Sampling, _settings.Frames, _settings.Loss, Work);
        foreach (VideoPrompt[] batch in prompts.Chunk(_settings.BatchSize))
        {
            SegmentInputs segment = SegmentBuilder.Build(segment: 0, batch, image: null, Noise(draws));
            Tensor made = Sample(segment, cancellation);
            scored.Add(made, [.. batch.Select(prompt => prompt.Text)], draws.Next);
            latents.Add(made);
            conditions.Add(segment.Condition);
        }

        (double[] scores, double[] worth, double rounding) = scored.Finish();
        Tensor all = cat(latents);
        Condition allConditions = Condition.Stack(conditions);
        List<PreferencePair> pairs = [];
        for (int first = 0; first < prompts.Length; first += each)
        {
            int[] rows = [.. Enumerable.Range(first, each)];
            int best = rows.MaxBy(row => worth[row]), worst = rows.MinBy(row => worth[row]);
            if (!(worth[best] - worth[worst] > rounding))
            {
                Ties++;
                continue;
            }

            pairs.Add(new PreferencePair(Row(best), Row(worst), allConditions.Rows(best).DetachFromDisposeScope(), (scores[best] + scores[worst]) / 2));
        }

        if (pairs.Count == 0)
        {
            throw new RewardContractException(
                $"Diffusion-DPO needs pairs with a winner, but reward '{Reward.Name}' scored the {each} videos of every one of {count} prompts alike. "
                + $"Use a reward with finer scores, more videos per prompt ({nameof(DiffusionDpoOptions)}.{nameof(DiffusionDpoOptions.CandidatesPerPrompt)}), "
                + $"or more prompts per rollout ({nameof(DiffusionDpoOptions.PairsPerRollout)}).");
        }

        _pairs.Add(pairs, _options.InnerEpochs, draws.Permutation);

        Tensor Row(int row) => all.narrow(0, row, 1).clone().DetachFromDisposeScope();
    }
}

/// <summary>Diagnostics of one Diffusion-DPO micro-batch.</summary>
/// <param name="Prediction">The model's prediction [2B, c, T, h, w], with its graph.</param>
/// <param name="Reference">The base model's prediction [2B, c, T, h, w].</param>
/// <param name="Terms">The loss, not divided, and its diagnostics.</param>
/// <param name="Divisor">The divisor of the loss before it is back-propagated.</param>
internal readonly record struct PreferenceMicroStep(Tensor Prediction, Tensor Reference, DiffusionDpoTerms Terms, int Divisor);
