using System.Globalization;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Pipelines;
using Microsoft.ML.VideoAlignment.Runs;
using Microsoft.ML.VideoAlignment.Schedulers;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Training;

/// <summary>
/// THE MAIN LOOP, one for every algorithm: gather the gradient of an optimizer step, look at it, clip it, apply it, measure, report. Where the gradient
/// comes from is the subclass's: through the reward (<see cref="RewardGradientTrainer"/>), or from the scores alone.
/// </summary>
internal abstract class AlignmentTrainer : IDisposable
{
    private readonly TrainingSettings _settings;
    private readonly IAdapterOptimizer _optimizer;
    private readonly ValidationEvaluator _heldOut;
    private readonly EmaAdapters? _average;
    private readonly BestCheckpoint _best;
    private readonly FinishedAdapters _finished;
    private readonly TrainingProgress _progress = new();
    private readonly RunNotices _notices = new();
    private TrainingState? _state;
    private int _underWay;
    private TrainingStepException? _failure;

    protected AlignmentTrainer(VideoDiffusionModel model, VideoReward reward, LoraAdapters adapters, TrainingSettings settings)
    {
        (Model, Reward, Adapters, _settings) = (model, reward, adapters, settings);
        Sampler = model.CreateSampler(settings.Sampling);
        Conditions = new ConditionCache(model, settings.Sampling);
        Preparation = new SegmentBuilder(model, settings.Sampling, Sampler, Conditions);
        _heldOut = new ValidationEvaluator(model, reward, settings, Sampler.Timesteps.Count, Conditions, Work);
        _average = settings.AverageDecay is { } decay ? new EmaAdapters(adapters, decay) : null;
        _best = new BestCheckpoint(adapters, reward.Contract.Direction);
        _finished = new FinishedAdapters(adapters, _average, settings.KeepBest ? _best : null, onDevice: model.Device.type != DeviceType.CPU);
        _optimizer = IAdapterOptimizer.Create(adapters.Parameters, settings);
    }

    /// <summary>What the run has cost since the trainer was made.</summary>
    public WorkCount Work { get; } = new();

    /// <summary>The step whose adapters the run ended with, where it keeps the best; null: the last.</summary>
    public int? KeptStep => _settings.KeepBest ? _best.Step : null;

    /// <summary>Whether the run ended because the held-out reward had stopped getting better.</summary>
    public bool StoppedEarly { get; private set; }

    protected VideoDiffusionModel Model { get; }

    protected VideoReward Reward { get; }

    protected LoraAdapters Adapters { get; }

    /// <summary>Of <see cref="TrainingSettings.Sampling"/>.</summary>
    protected ISampler Sampler { get; }

    protected ConditionCache Conditions { get; }

    /// <summary>Makes clips ready for <see cref="Sampler"/>.</summary>
    protected SegmentBuilder Preparation { get; }

    private string SmallerSteps => string.Create(
        CultureInfo.InvariantCulture,
        $"{nameof(_settings.LearningRate)} {_settings.LearningRate}, {nameof(_settings.WeightDecay)} {_settings.WeightDecay} or "
        + $"{nameof(_settings.Epsilon)} {_settings.Epsilon} leads beyond float32: lower the learning rate (2e-4 by default), and leave the others at 0.01 and 1e-8.");

    /// <summary>Whether a step may rightly have no gradient at all.</summary>
    protected virtual bool GradientMayVanish => Reward.Contract.GradientMayVanish;

    /// <summary>Denoiser evaluations a video and step.</summary>
    protected int Branches => _settings.Sampling.Branches(Model);

    /// <summary>The last optimizer step whose update was applied, counted from 1; 0: none was.</summary>
    public int Done => _progress.Step;

    /// <summary>
    /// Trains. Returns the number of optimizer steps done; fewer than asked for when canceled or stopped early. The adapters end as what is to be used:
    /// the average where there is one, the best where those are kept.
    /// </summary>
    /// <exception cref="TrainingStepException">See <see cref="Rescued"/>.</exception>
    public int Train(IReadOnlyList<VideoPrompt> prompts, Action<TrainingStep>? onStep = null, Action<string>? warn = null, CancellationToken cancellation = default)
    {
        using var draws = new TrainingRandom(prompts, _settings.Seed);

        // A frame that is given does not move with the adapters.
        bool given = Model.Images == ImageUse.Optional && (_settings.Sampling.SegmentCount > 1 || prompts.Any(prompt => prompt.Images.Count > 0));
        var watch = new GradientFlowCheck(Adapters, GradientMayVanish || given);
        Reward.BeginTraining();
        Conditions.Prepare([.. prompts, .. _settings.HeldOutPrompts, _settings.Sampling.NegativePrompt]);
        using TrainingState? state = Resume(draws, watch);
        _state = state;
        _finished.Finished(Done);
        return Rescued(() =>
        {
            try
            {
                Loop();
            }
            catch (Exception)
            {
                LeaveStateBehind();
                throw;
            }

            _state?.Write();
            ShowAverage(true);
            if (_settings.KeepBest)
            {
                _best.Restore();
            }

            return Done;
        });

        void Loop()
        {
            while (_progress.Unreported is not null || (Done < _settings.Steps && !StoppedEarly))
            {
                try
                {
                    using DisposeScope scope = NewDisposeScope();
                    TrainingStep learned = _progress.Unreported ?? Step(Done + 1);
                    Report(learned);
                }
                catch (Exception exception) when (EndsTheRun(exception, cancellation))
                {
                    // What was gathered is dropped: the weights are those of the last finished step.
                    _optimizer.ZeroGrad();
                    break;
                }

                // The runtime lets what is left of tensors pile up to the size of the processor's cache, 100 MB and more, before it looks; a step's worth takes milliseconds.
                GC.Collect(0);
            }
        }

        TrainingStep Step(int step)
        {
            _underWay = step;
            cancellation.ThrowIfCancellationRequested();
            StepOutcome outcome = Accumulate(draws, cancellation);
            _state?.Leave();
            watch.BeforeUpdate();
            double norm = outcome.ChangesNothing ? WithoutUpdate(step) : Update(step, outcome.Reward, outcome.Loss);
            foreach (string warning in watch.AfterUpdate(step).Concat(_notices.Drain()))
            {
                warn?.Invoke(warning);
            }

            _progress.Reach();
            var learned = new TrainingStep(step, outcome.Reward, outcome.Loss, norm, ValidationEvaluator: null, _progress.Elapsed);
            _progress.Unreported = learned;
            _state?.Reached(step);
            return learned;
        }

        void Report(TrainingStep learned)
        {
            _underWay = learned.Step;
            double? heldOut = Validate(learned.Step, cancellation);
            _progress.Unreported = null;
            _progress.Reach();
            _state?.Reached(learned.Step);
            _state?.WriteIfDue();
            onStep?.Invoke(learned with { ValidationEvaluator = heldOut, Elapsed = _progress.Elapsed });
        }
    }

    /// <summary>Runs a part of the run, <see cref="Train"/> or what follows it, whose failure must not take along what was learned.</summary>
    /// <exception cref="TrainingStepException">
    /// Whatever <paramref name="work"/> threw, with the weights after the last finished step. What it throws before the first step passes as it is, and so does a
    /// <see cref="RewardContractException"/> before any step is finished: nothing has been learned yet, and the reward is what has to change.
    /// </exception>
    public T Rescued<T>(Func<T> work)
    {
        try
        {
            return work();
        }
        catch (Exception exception) when (exception != _failure && (Done > 0 || (_underWay > 0 && exception is not RewardContractException)))
        {
            throw Failure(_underWay, $"{exception.GetType().Name}: {exception.Message}", exception);
        }
    }

    /// <summary>Checks, clips and applies the accumulated gradient; returns its norm before clipping.</summary>
    public double Update(int step, double reward, double loss)
    {
        Require(double.IsFinite(reward), step, () => "the score");
        Require(double.IsFinite(loss), step, () => "the loss");
        double norm = nn.utils.clip_grad_norm_(Adapters.Parameters, _settings.MaxGradientNorm);
        Require(double.IsFinite(norm), step, () => $"the gradient of {FirstNonFiniteGradient()}");
        double largest = Math.Max(_settings.LearningRate / (1 - _settings.Beta1), Math.Max(_settings.LearningRate * _settings.WeightDecay, _settings.Epsilon));
        Require(largest <= float.MaxValue, step, () => "the update", SmallerSteps);
        _finished.BeforeUpdate();
        _optimizer.Step();
        RequireFiniteFactors(step);
        _average?.Update();
        _progress.Step = step;
        _finished.Finished(step);
        _optimizer.ZeroGrad();
        return norm;
    }

    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees what the run has gathered; model, reward and adapters are the caller's.</summary>
    protected virtual void Dispose(bool disposing)
    {
        _optimizer.Dispose();
        _average?.Dispose();
        _best.Dispose();
        _finished.Dispose();
        Conditions.Dispose();
    }

    /// <summary>Adds the gradient of the next optimizer step to the adapters, and says what it was made of.</summary>
    protected abstract StepOutcome Accumulate(TrainingRandom draws, CancellationToken cancellation);

    /// <summary>Noise in what the denoiser computes in, on the model's device.</summary>
    protected Func<IReadOnlyList<long>, Tensor> Noise(TrainingRandom draws) => shape => draws.Noise(shape, Model.Device).to_type(Model.ComputeDtype);

    /// <summary>
    /// Whether an exception is the run's own cancellation coming through: the token was canceled, and someone noticed. A cancellation of anything else, such as
    /// a request that timed out, is a failure.
    /// </summary>
    private static bool EndsTheRun(Exception exception, CancellationToken cancellation) => cancellation.IsCancellationRequested
        && (exception is OperationCanceledException || (exception is AggregateException { InnerExceptions: var all } && all.All(each => EndsTheRun(each, cancellation))));

    /// <summary>Adds a text to the warnings of the step under way, unless there has been one of its kind in this run.</summary>
    protected void Notice(string kind, string text) => _notices.Add(kind, text);

    /// <summary>A step that has nothing to learn from moves no weights, not even by what the optimizer remembers or by decay.</summary>
    private double WithoutUpdate(int step)
    {
        _progress.Step = step;
        _finished.Finished(step);
        _optimizer.ZeroGrad();
        return 0;
    }

    /// <summary>Measures and keeps what this step is to be measured and kept for, by the adapters that would be returned now.</summary>
    private double? Validate(int step, CancellationToken cancellation)
    {
        bool checkpoint = step % _settings.CheckpointEvery == 0;
        if (!_heldOut.ShouldRun(step) && !checkpoint)
        {
            return null;
        }

        // Where this is left early the run ends, and the average is wanted where it is.
        ShowAverage(true);
        double? reward = _heldOut.ShouldRun(step) ? _heldOut.Run(Adapters, cancellation) : null;
        if (reward is { } measured)
        {
            _state?.Leave();
            _best.Record(step, measured);
            StoppedEarly = _best.ValidationsWithoutGain >= _settings.Patience && step < _settings.Steps;
        }

        if (checkpoint)
        {
            _settings.Checkpoint?.Invoke(step);
        }

        ShowAverage(false);
        return reward;
    }

    /// <summary>Goes on where the run's folder says it was; null: the run has no folder.</summary>
    private TrainingState? Resume(TrainingRandom draws, GradientFlowCheck watch)
    {
        if (_settings.RunFolder is not { } folder)
        {
            return null;
        }

        var state = new TrainingState(folder, _settings.StateEvery, unchecked((int)_settings.Seed));
        state.AddSettled("adapters", new AdapterFactors(Adapters, _average));
        state.AddSettled("optimizer", _optimizer);
        state.AddSettled("best", _best);
        state.AddSettled("watch", watch);
        state.AddMoving("progress", _progress);
        state.AddMoving("draws", draws);
        state.AddMoving("work", Work);
        state.AddMoving("reward", new RewardTraining(Reward), perishes: true);
        if (_average is not null)
        {
            state.AddSettled("average", _average);
        }

        if (this is IResumable algorithm)
        {
            state.AddMoving("algorithm", algorithm, perishes: true);
        }

        if (state.Restore() && folder.Remeasures)
        {
            _best.Invalidate();
        }

        StoppedEarly = _best.ValidationsWithoutGain >= _settings.Patience && Done < _settings.Steps;
        state.Reached(Done);
        return state;
    }

    /// <summary>Writes the last boundary before a failure, where that can be done; else the states before it stay: the failure is the news.</summary>
    private void LeaveStateBehind()
    {
        try
        {
            _state?.Write();
        }
        catch (Exception)
        {
            // A device that no longer answers, or a full disk.
        }
    }

    private void ShowAverage(bool inPlace)
    {
        if (_average is not null)
        {
            _average.InPlace = inPlace;
        }
    }

    private void Require(
        bool finite, int step, Func<string> what,
        string advice = "Lower the learning rate or the guidance scale, or look for divisions and logarithms in the reward.")
    {
        if (!finite)
        {
            throw Failure(step, $"{what()} is not finite. {advice}", cause: null);
        }
    }

    /// <summary>Whether every factor is a number after an update; else the weights before it are the last.</summary>
    private void RequireFiniteFactors(int step)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        bool finite = stack([.. Adapters.Parameters.Select(static factor => factor.isfinite().all())]).all().AsBoolean();
        Require(finite, step, () => $"the update of {Adapters.NamedFactors.First(pair => !pair.Factor.isfinite().all().AsBoolean()).Name}", SmallerSteps);
    }

    private TrainingStepException Failure(int step, string problem, Exception? cause)
    {
        _failure = TrainingStepException.Rescuing(step, problem, cause, _finished, _settings.RecoveryFolders);
        try
        {
            _optimizer.ZeroGrad();
        }
        catch (Exception)
        {
            // A device that no longer answers: what went wrong first is the news, and the gradient goes with the adapters.
        }

        return _failure;
    }

    private string FirstNonFiniteGradient()
    {
        using DisposeScope scope = NewDisposeScope();
        return Adapters.NamedFactors.First(pair => pair.Factor.grad is { } gradient && !gradient.isfinite().all().AsBoolean()).Name;
    }
}

/// <summary>What the gradient of an optimizer step was made of.</summary>
/// <param name="Reward">Mean score over the step's videos.</param>
/// <param name="Loss">Mean loss over the micro-batches.</param>
internal readonly record struct StepOutcome(double Reward, double Loss)
{
    /// <summary>Whether there was nothing to learn from, so that no update is due.</summary>
    public bool ChangesNothing { get; init; }
}
