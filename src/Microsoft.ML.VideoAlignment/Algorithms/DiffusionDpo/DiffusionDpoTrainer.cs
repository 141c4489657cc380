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
    private readonly DiffusionDpoOptions _options;
    private readonly IPolicyScheduler _scheduler;
    private readonly DiffusionDpoLoss _loss;
    private readonly RolloutCollector _collector;
    private readonly PreferencePairs _pairs = new();

    /// <summary>Creates a trainer; model, reward and adapters stay the caller's.</summary>
    /// <param name="run">The run: a model whose scheduler has a forward process, and a reward that need not be differentiable.</param>
    /// <param name="adapters">The adapters to train.</param>
    /// <param name="options">Pairs and their weight.</param>
    public DiffusionDpoTrainer(TrainingRun run, LoraAdapters adapters, DiffusionDpoOptions options)
        : base(run, adapters)
    {
        _options = options;
        _scheduler = run.Model.PolicyScheduler;
        _collector = new RolloutCollector(run, SegmentBuilder, Work);
        _loss = new DiffusionDpoLoss(_options.Beta);
    }

    /// <summary>Receives the diagnostics of each micro-batch before its backward pass; null: none.</summary>
    public Action<PreferenceMicroStep>? OnMicroStep { get; init; }

    /// <summary>How many prompts gave no pair so far, because all of their videos scored alike.</summary>
    public int Ties { get; private set; }

    public override IEnumerable<string> ClosingNotes => Ties > 0 ? [$"{Ties} prompts gave no pair: all of their videos scored alike."] : [];

    protected override StepOutcome Accumulate(TrainingRandom draws)
    {
        (double reward, double loss) = (0, 0);
        for (int micro = 0; micro < Training.Optimizer.AccumulationSteps; micro++)
        {
            RunContext.ThrowIfCanceled();
            using DisposeScope scope = NewDisposeScope();
            while (_pairs.Count < Training.Optimizer.BatchSize)
            {
                Collect(draws);
            }

            IReadOnlyList<PreferencePair> pairs = _pairs.Dequeue(Training.Optimizer.BatchSize);
            Tensor latents = cat([.. pairs.Select(pair => pair.Winner), .. pairs.Select(pair => pair.Loser)]);
            loss += Backward(new PreferenceBatch(
                latents,
                draws.Noise([pairs.Count, .. latents.shape[1..]], Model.Device),
                [.. pairs.Select(_ => (long)draws.Next(_scheduler.TrainTimesteps))],
                Condition.Stack([.. pairs.Select(pair => pair.Condition)]))) / Training.Optimizer.AccumulationSteps;
            reward += pairs.Average(pair => pair.Score) / Training.Optimizer.AccumulationSteps;
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
        OnMicroStep?.Invoke(new PreferenceMicroStep(prediction, reference, terms, Training.Optimizer.AccumulationSteps));
        Recompute.Backward(terms.Loss.Div(GetLossDivisor(Training.Optimizer.AccumulationSteps)));
        return HostRead.Number(terms.Loss);
    }

    /// <summary>Samples with the model's own sampler, without gradient.</summary>
    /// <param name="segment">Conditions, start and noise.</param>
    /// <returns>The finished latents [B, c, T, h, w].</returns>
    public Tensor Sample(SegmentInputs segment)
    {
        using IDisposable guard = no_grad();
        using var guidance = new Guidance(Model, segment.Condition, segment.Unconditional, Training.Sampling);
        using IDisposable? counting = RunContext.Observe(Work);
        return _options.SampleFromBaseModel ? Adapters.RunDisabled(Run) : Run();

        Tensor Run() => Denoising.Run(
            segment.Sampler ?? Sampler, segment.Start, guidance.Predict, segment.Plan, segment.Noise, Adapters, prompts: segment.Prompts);
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
    private void Collect(TrainingRandom draws)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        int count = _options.PairsOfRollout(Training.Optimizer.VideosPerStep), each = _options.CandidatesPerPrompt;
        ScoredRollout<Candidates> rollout = _collector.Collect(
            draws, count, each, segment => new Candidates(Sample(segment), segment.Condition), static part => part.Latents);
        (double[] scores, double[] worth, double rounding) = (rollout.Scores, rollout.Worth, rollout.Rounding);
        Tensor all = cat([.. rollout.Parts.Select(part => part.Latents)]);
        Condition allConditions = Condition.Stack([.. rollout.Parts.Select(part => part.Condition)]);
        List<PreferencePair> pairs = [];
        for (int first = 0; first < rollout.Prompts.Count; first += each)
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

    // Videos that were sampled together.
    private sealed record Candidates(Tensor Latents, Condition Condition);
}

/// <summary>Diagnostics of one Diffusion-DPO micro-batch.</summary>
/// <param name="Prediction">The model's prediction [2B, c, T, h, w], with its graph.</param>
/// <param name="Reference">The base model's prediction [2B, c, T, h, w].</param>
/// <param name="Terms">The loss, not divided, and its diagnostics.</param>
/// <param name="Divisor">The divisor of the loss before it is back-propagated, the scale of float16 aside.</param>
internal readonly record struct PreferenceMicroStep(Tensor Prediction, Tensor Reference, DiffusionDpoTerms Terms, int Divisor);
