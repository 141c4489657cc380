using Microsoft.ML.VideoAlignment.Algorithms;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Memory;
using Microsoft.ML.VideoAlignment.Runs;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.MLNet;

/// <summary>Trains a model under options, and keeps the model, its reward and its devices in order around it.</summary>
/// <param name="Model">The model to align.</param>
/// <param name="Reward">What to align to.</param>
/// <param name="Options">The validated options.</param>
/// <param name="Seed">The seed of everything random.</param>
/// <param name="Prompts">The training prompts.</param>
/// <param name="ValidationPrompts">The validation prompts; empty: none.</param>
/// <param name="TemporaryFolder">The folder that takes the weights of a failed run where no other folder does.</param>
internal sealed record AlignmentRun(
    VideoDiffusionModel Model, VideoReward Reward, VideoAlignmentOptions Options, int Seed, IReadOnlyList<VideoPrompt> Prompts,
    IReadOnlyList<VideoPrompt> ValidationPrompts, string TemporaryFolder)
{
    /// <summary>Separates the random numbers of the initial factors from those of the noise, which come from the same seed.</summary>
    private const ulong FactorStream = 0x4C6F5241;

    /// <summary>The device that trains; null: where the model is.</summary>
    public Device? TrainingDevice { get; init; }

    /// <summary>What watches, interrupts and saves the run.</summary>
    public RunControl Control { get; init; } = new();

    /// <summary>The folder that the run's states are written to and resumed from; null: none.</summary>
    public RunFolder? Folder { get; init; }

    /// <summary>
    /// Puts a network of the model, or <see cref="CpuOffloader.Reward"/>, on the device (true) or where it waits (false); null: on a GPU they wait in the CPU's
    /// memory, and on the CPU nothing is moved.
    /// </summary>
    public Action<string, bool>? MoveNetwork { get; init; }

    /// <summary>The run as trainers see it.</summary>
    public TrainingRun Training { get; } = TrainingRunFactory.Create(Model, Reward, Options, Seed, ValidationPrompts);

    /// <summary>What the run computes in, for its transformer.</summary>
    public SavedPrecision Precision => SavedPrecision.Create(Training.Precision, Model.Device.type);

    /// <summary>The algorithm, with what the model decides filled in.</summary>
    public IAlgorithm Algorithm { get; } = Options.Algorithm.Definition.ResolveFor(Model);

    /// <summary>The layers to adapt.</summary>
    public LoraTargets LoraTargets { get; } = Options.Lora.TargetsFor(Model.LoraVocabulary);

    /// <summary>Trains, with exclusive use of the model's adapter slots.</summary>
    /// <param name="onStep">Receives the figures of each step.</param>
    /// <param name="warn">Receives warnings.</param>
    public AlignmentOutcome Train(Action<VideoAlignmentProgress> onStep, Action<string> warn) => Train(onStep, warn, static outcome => outcome);

    /// <inheritdoc cref="Train(Action{VideoAlignmentProgress}, Action{string})"/>
    /// <param name="onStep">Receives the figures of each step.</param>
    /// <param name="warn">Receives warnings.</param>
    /// <param name="complete">Makes the result from the outcome; an exception it throws does not lose the weights either.</param>
    /// <exception cref="TrainingStepException">Something failed after the first step had begun.</exception>
    /// <exception cref="IOException">The folder of checkpoints cannot be written; no step has begun.</exception>
    public T Train<T>(
        Action<VideoAlignmentProgress> onStep, Action<string> warn, Func<AlignmentOutcome, T> complete) => AdapterHost.ForModel(Model).RunDetached(() =>
    {
        using IDisposable used = RewardDevices.Use(Reward, Model.Device, alone: Options.OffloadsIdleNetworks(Model.Device.type));
        using var generator = new Generator(unchecked((ulong)Seed) ^ FactorStream);
        using LoraAdapters adapters = LoraAdapters.Attach(Model.Denoiser, LoraTargets, Options.Lora.Rank, Options.Lora.Alpha, generator);
        if (Control.CheckpointFolder is { } folder)
        {
            WritableFolder.Require(folder, nameof(Control.CheckpointFolder), AdapterFile.Write(adapters));
        }

        using IDisposable context = RunContext.Begin(Model.Device.type, Training.Precision, Control.CancellationToken);
        using IDisposable? rounding = Model.Device.type == DeviceType.CPU ? null : TensorFloat32.Begin(Options.Memory.TensorFloat32);
        using IDisposable memory = Options.Memory.BeginScope();
        using var offloaded = OffloadedNetworks.Begin(Model, Options, MoveNetwork ?? MoveOnGpu());
        using AlignmentTrainer trainer = Algorithm.CreateTrainer(
            Training with
            {
                Control = Control,
                Folder = Folder,
                Checkpoint = Control.CheckpointFolder is null ? null : Keep,
                RecoveryFolders = [.. new[] { Control.CheckpointFolder, Control.RunFolder }.OfType<string>(), TemporaryFolder],
            },
            adapters);
        return trainer.RunRescued(() =>
        {
            T result;
            try
            {
                if (Options.StreamsWeights(Model.Device.type))
                {
                    offloaded.StreamWeights(Model.Denoiser);
                }

                offloaded.PreparePrompts(Reward, RewardTexts());
                result = complete(Train(trainer, adapters, onStep, warn));
            }
            catch (Exception)
            {
                offloaded.RestoreAfterFailure(warn);
                throw;
            }

            offloaded.Restore();
            return result;
        });

        void Keep(int step)
        {
            byte[] content = AdapterFile.Write(adapters);
            Directory.CreateDirectory(Control.CheckpointFolder!);
            AtomicFile.Write(Path.Combine(Control.CheckpointFolder!, $"step-{step}.safetensors"), stream => stream.Write(content));
        }
    }, TrainingDevice);

    private AlignmentOutcome Train(AlignmentTrainer trainer, LoraAdapters adapters, Action<VideoAlignmentProgress> onStep, Action<string> warn)
    {
        var memory = new PeakMemory(ComputeDevice.Describe(Model.Device));
        int done = trainer.Train(Prompts, step => onStep(Describe(step, trainer.Work, memory.Measure())), warn);
        foreach (string note in trainer.ClosingNotes)
        {
            warn(note);
        }

        return new AlignmentOutcome
        {
            Adapters = AdapterFile.Write(adapters),
            Steps = done,
            KeptStep = trainer.KeptStep,
            StoppedEarly = trainer.StoppedEarly,
            RewardQueries = trainer.Work.RewardQueries,
            DenoiserEvaluations = trainer.Work.DenoiserEvaluations,
        };
    }

    private VideoAlignmentProgress Describe(TrainingStep step, WorkCount work, long? peakBytes) => new()
    {
        Step = step.Step,
        Steps = Options.Optimizer.Steps,
        Reward = step.Reward,
        Loss = step.Loss,
        GradientNorm = step.Update.GradientNorm,
        LearningRate = Options.Optimizer.GetLearningRate(step.Step),
        Skipped = step.Update.Skipped,
        ValidationReward = step.ValidationReward,
        RewardQueries = work.RewardQueries,
        ValidationQueries = work.ValidationQueries,
        DenoiserEvaluations = work.DenoiserEvaluations,
        PeakBytes = peakBytes,
        Elapsed = step.Elapsed,
    };

    private IEnumerable<string> RewardTexts() => Prompts.Concat(ValidationPrompts)
        .Select(row => row.Text).Distinct().Select(text => Model.RewardText(text, Training.Sampling.SegmentCount)).Distinct();

    // null: where the model is, offloading saves nothing.
    private Action<string, bool>? MoveOnGpu() => Model.Device.type != DeviceType.CUDA ? null : (name, working) =>
    {
        Device place = working ? Model.Device : CPU;
        if (name == CpuOffloader.Reward)
        {
            Reward.MoveTo(place);
        }
        else
        {
            Model.Networks[name].to(place);
        }
    };
}
