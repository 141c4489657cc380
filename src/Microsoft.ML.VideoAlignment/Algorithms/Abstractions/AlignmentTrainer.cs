using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Runs;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Schedulers;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Algorithms;

/// <summary>
/// THE MAIN LOOP, one for every algorithm: accumulate the gradient of an optimizer step, check it, clip it, apply it, validate, report. The subclass computes
/// the gradient: through the reward (<see cref="RewardGradient.RewardGradientTrainer"/>), or from the scores alone.
/// </summary>
internal abstract class AlignmentTrainer : IDisposable
{
    private readonly IAdapterOptimizer _optimizer;
    private readonly ValidationEvaluator _validation;
    private readonly EmaAdapters? _average;
    private readonly BestCheckpoint _best;
    private readonly FinishedAdapters _finished;
    private readonly UpdateCheck _check;
    private readonly LossScaler _scaler;
    private readonly TrainingProgress _progress = new();
    private readonly RunNotices _notices = new();
    private GradientFlowCheck? _watch;
    private TrainingState? _state;
    private int _underWay;
    private TrainingStepException? _failure;

    /// <summary>Creates a trainer; model, reward and adapters stay the caller's.</summary>
    /// <param name="run">The run, of validated options.</param>
    /// <param name="adapters">The adapters to train, attached to the model's denoiser.</param>
    protected AlignmentTrainer(TrainingRun run, LoraAdapters adapters)
    {
        (Training, Adapters) = (run, adapters);
        Sampler = Model.CreateSampler(run.Sampling);
        Conditions = new ConditionCache(Model, run.Sampling);
        SegmentBuilder = new SegmentBuilder(Model, run.Sampling, Sampler, Conditions);
        _validation = new ValidationEvaluator(run, Conditions, Work);
        _average = run.Optimizer.EmaDecay is { } decay ? new EmaAdapters(adapters, decay) : null;
        _best = new BestCheckpoint(adapters, Reward.Contract.Direction);
        _finished = new FinishedAdapters(adapters, _average, run.Validation.KeepBest ? _best : null, onDevice: Model.Device.type != DeviceType.CPU);
        _optimizer = IAdapterOptimizer.Create(adapters.Parameters, run.Optimizer);
        _check = new UpdateCheck(adapters, run.Optimizer);
        _scaler = new LossScaler(run.Precision);
    }

    /// <summary>What the run has cost since the trainer was made.</summary>
    public WorkCount Work { get; } = new();

    /// <summary>The step whose adapters the run ended with, where it keeps the best; null: the last.</summary>
    public int? KeptStep => Training.Validation.KeepBest ? _best.Step : null;

    /// <summary>Whether the run ended because the validation reward had stopped improving.</summary>
    public bool StoppedEarly { get; private set; }

    /// <summary>What the run's algorithm tells at the end of a run, one sentence each; empty: nothing.</summary>
    public virtual IEnumerable<string> ClosingNotes => [];

    protected TrainingRun Training { get; }

    protected VideoDiffusionModel Model => Training.Model;

    protected VideoReward Reward => Training.Reward;

    protected LoraAdapters Adapters { get; }

    /// <summary>The sampler of <see cref="TrainingRun.Sampling"/>.</summary>
    protected ISampler Sampler { get; }

    protected ConditionCache Conditions { get; }

    /// <summary>Builds the inputs of segments for <see cref="Sampler"/>.</summary>
    protected SegmentBuilder SegmentBuilder { get; }

    /// <summary>Whether a step may rightly have no gradient at all.</summary>
    protected virtual bool GradientMayVanish => Reward.Contract.GradientMayVanish;

    /// <summary>The last optimizer step that is done, counted from 1; 0: none is.</summary>
    public int CompletedSteps => _progress.Step;

    /// <summary>
    /// Trains. At the end the adapters are those to be used: the average where there is one, the best where those are kept.
    /// </summary>
    /// <param name="prompts">The training prompts, at least one.</param>
    /// <param name="onStep">Receives the figures of each finished step; null: none.</param>
    /// <param name="warn">Receives warnings; null: they are dropped.</param>
    /// <returns>The number of optimizer steps done; fewer than asked for when canceled or stopped early.</returns>
    /// <exception cref="TrainingStepException">Something failed after the first step had begun (<see cref="RunRescued"/>).</exception>
    public int Train(IReadOnlyList<VideoPrompt> prompts, Action<TrainingStep>? onStep = null, Action<string>? warn = null)
    {
        using IDisposable? counting = RunContext.Observe(Work);
        using var draws = new TrainingRandom(prompts, Training.Seed);
        var watch = new GradientFlowCheck(Adapters, GradientMayVanish || GivesFrames(prompts));
        _watch = watch;
        Reward.BeginTraining();
        Conditions.Prepare([.. prompts, .. Training.ValidationPrompts, Training.Sampling.NegativePrompt]);
        using TrainingState? state = Resume(draws, watch);
        _state = state;
        _finished.MarkFinished(CompletedSteps);
        return RunRescued(() =>
        {
            try
            {
                RunSteps(new StepInputs(draws, onStep, warn, RunContext.Current.Cancellation));
            }
            catch (Exception)
            {
                LeaveStateBehind();
                throw;
            }

            _state?.Write();
            ShowAverage(true);
            if (Training.Validation.KeepBest)
            {
                _best.Restore();
            }

            return CompletedSteps;
        });
    }

    /// <summary>Runs <see cref="Train"/> or what follows it, so that a failure does not lose the weights.</summary>
    /// <param name="work">The work.</param>
    /// <returns>What the work returned.</returns>
    /// <exception cref="TrainingStepException">
    /// The work threw; the exception has the weights after the last finished step. What is thrown before the first step passes unchanged, and so does a
    /// <see cref="RewardContractException"/> before any step is finished: nothing has been learned yet, and the reward is what has to change.
    /// </exception>
    public T RunRescued<T>(Func<T> work)
    {
        try
        {
            return work();
        }
        catch (Exception exception) when (exception != _failure && (CompletedSteps > 0 || (_underWay > 0 && exception is not RewardContractException)))
        {
            throw Failure(_underWay, $"{exception.GetType().Name}: {exception.Message}", exception);
        }
    }

    /// <summary>Checks, clips and applies the accumulated gradient; in float16, where it is scaled, skips the step if something overflowed.</summary>
    /// <param name="step">The optimizer step, counted from 1.</param>
    /// <param name="reward">Mean score of the step.</param>
    /// <param name="loss">Mean loss of the step.</param>
    /// <returns>What became of the gradient.</returns>
    /// <exception cref="TrainingStepException">
    /// The score, the loss, the gradient or the update is not finite; where float16 explains that, no scale of the loss helped.
    /// </exception>
    public StepUpdate Update(int step, double reward, double loss)
    {
        if (_check.FindOverflow(_scaler, reward, loss) is { } overflow)
        {
            return Skip(step, overflow);
        }

        // Nothing can move in a step of rate 0, with which a warm-up begins.
        double rate = Training.Optimizer.GetLearningRate(step);
        (rate > 0 ? _watch : null)?.BeforeUpdate();
        Require(UpdateCheck.FindInScores(reward, loss), step);
        double norm = HostRead.ClipGradientNorm(Adapters.Parameters, Training.Optimizer.MaxGradientNorm);
        Require(_check.FindInGradient(norm) ?? _check.FindInOptions(), step);
        MissingGradients.Complete(Adapters.Parameters);
        _finished.BeforeUpdate();
        _optimizer.Step(rate);
        Require(_check.FindInFactors(), step);
        _average?.Update();
        _scaler.RecordUpdate();
        Finish(step);
        return new StepUpdate(norm, Skipped: false);
    }

    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees the run's state; model, reward and adapters are the caller's.</summary>
    /// <param name="disposing">Whether managed objects are disposed as well.</param>
    protected virtual void Dispose(bool disposing)
    {
        _optimizer.Dispose();
        _average?.Dispose();
        _best.Dispose();
        _finished.Dispose();
        Conditions.Dispose();
    }

    /// <summary>Adds the gradient of the next optimizer step to the adapters.</summary>
    /// <param name="draws">The run's random draws.</param>
    /// <returns>Reward and loss of the step.</returns>
    protected abstract StepOutcome Accumulate(TrainingRandom draws);

    /// <summary>Computes what a loss is divided by before it is back-propagated; in float16 the scale of the loss is in it.</summary>
    /// <param name="parts">The number of losses whose mean is the loss of the optimizer step.</param>
    protected double GetLossDivisor(int parts) => parts / _scaler.Scale;

    // Whether an exception is the run's own cancellation: the token was canceled, and some code noticed. A cancellation of anything else, such as a request
    // that timed out, is a failure.
    private static bool EndsTheRun(Exception exception, CancellationToken cancellation) => cancellation.IsCancellationRequested
        && (exception is OperationCanceledException
            || (exception is AggregateException { InnerExceptions: var all } && all.All(each => EndsTheRun(each, cancellation))));

    /// <summary>Adds a warning to those of the current step, unless there has been one of its kind in this run.</summary>
    /// <param name="kind">The kind of warning.</param>
    /// <param name="text">The warning.</param>
    protected void Notice(string kind, string text) => _notices.Add(kind, text);

    // A given frame does not change with the adapters.
    private bool GivesFrames(IReadOnlyList<VideoPrompt> prompts) =>
        Model.Images == ImageUse.Optional && (Training.Sampling.SegmentCount > 1 || prompts.Any(prompt => prompt.Images.Count > 0));

    private void RunSteps(StepInputs inputs)
    {
        while (_progress.Unreported is not null || (CompletedSteps < Training.Optimizer.Steps && !StoppedEarly))
        {
            try
            {
                using DisposeScope scope = NewDisposeScope();
                TrainingStep learned = _progress.Unreported ?? RunStep(CompletedSteps + 1, inputs);
                Report(learned, inputs);
            }
            catch (Exception exception) when (EndsTheRun(exception, inputs.Cancellation))
            {
                // The accumulated gradient is dropped: the weights are those of the last finished step.
                _optimizer.ZeroGrad();
                break;
            }

            // The runtime lets the remains of tensors pile up to the size of the processor's cache, 100 MB and more, before it collects; those of one step
            // take milliseconds.
            GC.Collect(0);
        }
    }

    private TrainingStep RunStep(int step, StepInputs inputs)
    {
        _underWay = step;
        RunContext.ThrowIfCanceled();
        StepOutcome outcome = Accumulate(inputs.Draws);
        _state?.DiscardBoundary();
        StepUpdate update = outcome.ChangesNothing ? WithoutUpdate(step) : Update(step, outcome.Reward, outcome.Loss);
        foreach (string warning in _watch!.AfterUpdate(step).Concat(_notices.Drain()))
        {
            inputs.Warn?.Invoke(warning);
        }

        _progress.UpdateElapsed();
        var learned = new TrainingStep(step, outcome.Reward, outcome.Loss, update, ValidationReward: null, _progress.Elapsed);
        _progress.Unreported = learned;
        _state?.MarkBoundary(step);
        return learned;
    }

    private void Report(TrainingStep learned, StepInputs inputs)
    {
        _underWay = learned.Step;
        double? validation = Validate(learned.Step);
        _progress.Unreported = null;
        _progress.UpdateElapsed();
        _state?.MarkBoundary(learned.Step);
        _state?.WriteIfDue();
        RunContext.RunOutside(() => inputs.OnStep?.Invoke(learned with { ValidationReward = validation, Elapsed = _progress.Elapsed }));
    }

    // A step that has nothing to learn from changes no weights, not even by momentum or decay.
    private StepUpdate WithoutUpdate(int step)
    {
        _watch?.BeforeUpdate();
        Finish(step);
        return new StepUpdate(GradientNorm: 0, Skipped: false);
    }

    // A step that overflowed counts, but nothing learns from it; the next one's loss is scaled less.
    private StepUpdate Skip(int step, string overflow)
    {
        _scaler.RecordOverflow();
        Require(_scaler.IsExhausted ? $"{overflow} {_scaler.Advice}" : null, step);
        Finish(step);
        return new StepUpdate(GradientNorm: double.NaN, Skipped: true);
    }

    private void Finish(int step)
    {
        _progress.Step = step;
        _finished.MarkFinished(step);
        _optimizer.ZeroGrad();
    }

    // Validates and writes a checkpoint where this step is one that does, with the adapters that would be returned now.
    private double? Validate(int step)
    {
        bool checkpoint = Training.Checkpoint is not null && step % Training.Control.CheckpointEvery == 0;
        if (!_validation.ShouldRun(step) && !checkpoint)
        {
            return null;
        }

        // An exception here ends the run, and then the average must be where it is.
        ShowAverage(true);
        double? reward = _validation.ShouldRun(step) ? _validation.Run(Adapters) : null;
        if (reward is { } measured)
        {
            _state?.DiscardBoundary();
            _best.Record(step, measured);
            StoppedEarly = _best.ValidationsWithoutGain >= Training.Validation.EarlyStopPatience && step < Training.Optimizer.Steps;
        }

        if (checkpoint)
        {
            Training.Checkpoint!(step);
        }

        ShowAverage(false);
        return reward;
    }

    // Restores the state in the run's folder; null: the run has no folder.
    private TrainingState? Resume(TrainingRandom draws, GradientFlowCheck watch)
    {
        if (Training.Folder is not { } folder)
        {
            return null;
        }

        var state = new TrainingState(folder, Training.Control.StateEvery, unchecked((int)Training.Seed));
        state.AddPerUpdate("adapters", new AdapterFactors(Adapters, _average));
        state.AddPerUpdate("optimizer", _optimizer);
        state.AddPerUpdate("best", _best);
        state.AddPerUpdate("watch", watch);
        state.AddPerStep("progress", _progress);
        state.AddPerStep("draws", draws);
        state.AddPerStep("work", Work);
        state.AddPerStep("reward", new RewardState(Reward), dropIfRemeasured: true);
        state.AddPerUpdate("average", _average);
        state.AddPerUpdate("lossScale", _scaler.IsActive ? _scaler : null);
        state.AddPerStep("algorithm", this as IResumable, dropIfRemeasured: true);
        if (state.Restore() && folder.Remeasures)
        {
            _best.Invalidate();
        }

        StoppedEarly = _best.ValidationsWithoutGain >= Training.Validation.EarlyStopPatience && CompletedSteps < Training.Optimizer.Steps;
        state.MarkBoundary(CompletedSteps);
        return state;
    }

    // Writes the last boundary before a failure, where that can be done; else earlier states stay: the failure is what must be reported.
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

    private void Require(string? fault, int step)
    {
        if (fault is not null)
        {
            throw Failure(step, fault, cause: null);
        }
    }

    private TrainingStepException Failure(int step, string problem, Exception? cause)
    {
        _failure = TrainingStepException.Rescuing(step, problem, cause, _finished, Training.RecoveryFolders);
        try
        {
            _optimizer.ZeroGrad();
        }
        catch (Exception)
        {
            // A device that no longer answers: what went wrong first must be reported, and the gradient goes with the adapters.
        }

        return _failure;
    }

    /// <summary>What the steps of a run are given.</summary>
    /// <param name="Draws">The run's random draws.</param>
    /// <param name="OnStep">Receives the figures of each finished step; null: none.</param>
    /// <param name="Warn">Receives warnings; null: they are dropped.</param>
    /// <param name="Cancellation">Ends the run after the last finished step.</param>
    private sealed record StepInputs(TrainingRandom Draws, Action<TrainingStep>? OnStep, Action<string>? Warn, CancellationToken Cancellation);
}
