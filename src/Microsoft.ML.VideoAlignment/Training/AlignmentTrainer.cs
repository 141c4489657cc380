using System.Diagnostics;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Pipelines;
using Microsoft.ML.VideoAlignment.Schedulers;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Training;

/// <summary>
/// THE MAIN LOOP, one for every algorithm: gather the gradient of an optimiser step, look at it, clip it, apply it, measure, report. Where the gradient
/// comes from is the subclass's: through the reward (<see cref="RewardGradientTrainer"/>), or from the scores alone.
/// </summary>
internal abstract class AlignmentTrainer : IDisposable
{
    private readonly TrainingSettings _settings;
    private readonly IAdapterOptimiser _optimiser;
    private readonly HeldOutReward _heldOut;
    private readonly AdapterAverage? _average;
    private readonly BestAdapters _best;

    protected AlignmentTrainer(VideoDiffusionModel model, VideoReward reward, LoraAdapters adapters, TrainingSettings settings)
    {
        (Model, Reward, Adapters, _settings) = (model, reward, adapters, settings);
        Sampler = model.CreateSampler(settings.Sampling);
        Conditions = new ConditionCache(model, settings.Sampling);
        Preparation = new ClipPreparation(model, settings.Sampling, Sampler, Conditions);
        _heldOut = new HeldOutReward(model, reward, settings, Sampler.Timesteps.Count, Conditions, Work);
        _average = settings.AverageDecay is { } decay ? new AdapterAverage(adapters, decay) : null;
        _best = new BestAdapters(adapters, reward.Contract.Direction);
        _optimiser = IAdapterOptimiser.Create(adapters.Parameters, settings);
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
    protected ClipPreparation Preparation { get; }

    /// <summary>Whether a step may rightly have no gradient at all.</summary>
    protected virtual bool GradientMayVanish => Reward.Contract.GradientMayVanish;

    /// <summary>Denoiser evaluations a video and step.</summary>
    protected int Branches => _settings.Sampling.Branches(Model);

    /// <summary>
    /// Trains. Returns the number of optimiser steps done; fewer than asked for when cancelled or stopped early. The adapters end as what is to be used:
    /// the average where there is one, the best where those are kept.
    /// </summary>
    public int Train(IReadOnlyList<VideoPrompt> prompts, Action<TrainingStep>? onStep = null, Action<string>? warn = null, CancellationToken cancellation = default)
    {
        var clock = Stopwatch.StartNew();
        using var draws = new TrainingDraws(prompts, _settings.Seed);

        // A frame that is given does not move with the adapters.
        bool given = Model.Pictures == PictureUse.Optional && (_settings.Sampling.SegmentCount > 1 || prompts.Any(prompt => prompt.Pictures.Count > 0));
        var watch = new AdapterWatch(Adapters, GradientMayVanish || given);
        Reward.BeginTraining();
        Conditions.Prepare([.. prompts, .. _settings.HeldOutPrompts, _settings.Sampling.NegativePrompt]);
        int done = 0;
        while (done < _settings.Steps && !StoppedEarly)
        {
            int step = done + 1;
            using DisposeScope scope = NewDisposeScope();
            if (Gather(step, draws, cancellation) is not { } outcome)
            {
                break;
            }

            watch.BeforeUpdate();
            double norm = Update(step, outcome.Reward, outcome.Loss);
            foreach (string warning in watch.AfterUpdate(step))
            {
                warn?.Invoke(warning);
            }

            done = step;
            double? heldOut = Look(step);
            onStep?.Invoke(new TrainingStep(step, outcome.Reward, outcome.Loss, norm, heldOut, clock.Elapsed));

            // The runtime lets what is left of tensors pile up to the size of the processor's cache, 100 MB and more, before it looks; a step's worth takes milliseconds.
            GC.Collect(0);
        }

        _average?.Swap();
        if (_settings.KeepBest)
        {
            _best.Restore();
        }

        return done;
    }

    /// <summary>Checks, clips and applies the accumulated gradient; returns its norm before clipping.</summary>
    public double Update(int step, double reward, double loss)
    {
        Require(double.IsFinite(reward), step, () => "the score");
        Require(double.IsFinite(loss), step, () => "the loss");
        double norm = nn.utils.clip_grad_norm_(Adapters.Parameters, _settings.MaxGradientNorm);
        Require(double.IsFinite(norm), step, () => $"the gradient of {FirstNonFiniteGradient()}");
        _optimiser.Step();
        _optimiser.ZeroGrad();
        _average?.Follow();
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
        _optimiser.Dispose();
        _average?.Dispose();
        _best.Dispose();
        Conditions.Dispose();
    }

    /// <summary>Adds the gradient of the next optimiser step to the adapters, and says what it was made of.</summary>
    protected abstract StepOutcome Accumulate(TrainingDraws draws, CancellationToken cancellation);

    /// <summary>Noise in what the denoiser computes in, on the model's device.</summary>
    protected Func<IReadOnlyList<long>, Tensor> Noise(TrainingDraws draws) => shape => draws.Noise(shape, Model.Device).to_type(Model.ComputeDtype);

    /// <summary>Null after a cancellation: the step under way is dropped, and the weights are those of the last finished one.</summary>
    private StepOutcome? Gather(int step, TrainingDraws draws, CancellationToken cancellation)
    {
        try
        {
            return Accumulate(draws, cancellation);
        }
        catch (OperationCanceledException)
        {
            _optimiser.ZeroGrad();
            return null;
        }
        catch (Exception exception) when (exception is not RewardContractException)
        {
            _optimiser.ZeroGrad();
            throw new TrainingStepException(step, $"{exception.GetType().Name}: {exception.Message}", SaveLastGood(step), exception);
        }
    }

    /// <summary>Measures and keeps what this step is to be measured and kept for, by the adapters that would be returned now.</summary>
    private double? Look(int step)
    {
        bool checkpoint = step % _settings.CheckpointEvery == 0;
        if (!_heldOut.IsDue(step) && !checkpoint)
        {
            return null;
        }

        _average?.Swap();
        try
        {
            double? reward = _heldOut.IsDue(step) ? _heldOut.Measure(Adapters) : null;
            if (reward is { } measured)
            {
                _best.Measured(step, measured);
                StoppedEarly = _best.Since >= _settings.Patience && step < _settings.Steps;
            }

            if (checkpoint)
            {
                _settings.Checkpoint?.Invoke(step);
            }

            return reward;
        }
        finally
        {
            _average?.Swap();
        }
    }

    private void Require(bool finite, int step, Func<string> what)
    {
        if (!finite)
        {
            string tensor = what();
            _optimiser.ZeroGrad();
            throw new TrainingStepException(
                step, $"{tensor} is not finite. Lower the learning rate or the guidance scale, or look for divisions and logarithms in the reward.", SaveLastGood(step));
        }
    }

    /// <summary>The adapters are those of the last good step until an update is applied.</summary>
    private string SaveLastGood(int step)
    {
        using DisposeScope scope = NewDisposeScope();
        string path = Path.Combine(_settings.RecoveryFolder, $"adapters-after-step-{step - 1}-{Guid.NewGuid():N}.safetensors");
        SafetensorsWriter.Write(path, Adapters.StateDict());
        return path;
    }

    private string FirstNonFiniteGradient()
    {
        using DisposeScope scope = NewDisposeScope();
        return Adapters.NamedFactors.First(pair => pair.Factor.grad is { } gradient && !gradient.isfinite().all().ToBoolean()).Name;
    }
}

/// <summary>What the gradient of an optimiser step was made of.</summary>
/// <param name="Reward">Mean score over the step's videos.</param>
/// <param name="Loss">Mean loss over the micro-batches.</param>
internal readonly record struct StepOutcome(double Reward, double Loss);
