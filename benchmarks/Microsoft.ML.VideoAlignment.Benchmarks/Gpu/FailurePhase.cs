using Microsoft.ML.VideoAlignment.Memory;
using Microsoft.ML.VideoAlignment.MLNet;
using Microsoft.ML.VideoAlignment.Models;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Benchmarks;

/// <summary>
/// Lets runs on the device end in their second step: for want of memory, by cancellation, and by an exception within a block that is recomputed. Each must
/// say what happened, and leave the base model's weights as they were.
/// </summary>
internal sealed class FailurePhase : IDisposable
{
    // More than any machine has: 128 TiB.
    private const long TooMuch = 1L << 45;

    private readonly Device _device;
    private readonly VideoDiffusionModel _model;
    private readonly Dictionary<string, Tensor> _before;
    private readonly byte[] _oneStep;
    private readonly string _rescued = Directory.CreateTempSubdirectory("gpu-check-").FullName;
    private readonly Action<CheckRow> _report;

    private FailurePhase(Device device, Action<CheckRow> report)
    {
        (_device, _report) = (device, report);
        _model = UntrainedModel.Make(VideoModelFamily.ModelScope, UntrainedSize.Tiny, seed: 1, device: device);
        _before = Weights().ToDictionary(pair => pair.Name, pair => pair.Value.clone().DetachFromDisposeScope(), StringComparer.Ordinal);
        _oneStep = Train(steps: 1).Adapters;
    }

    /// <summary>Runs every failure.</summary>
    /// <param name="device">The device.</param>
    /// <param name="report">Receives each comparison.</param>
    public static void Run(Device device, Action<CheckRow> report)
    {
        using var phase = new FailurePhase(device, report);
        phase.OutOfMemory();
        phase.Cancellation();
        phase.RecomputedBlock();
    }

    public void Dispose()
    {
        foreach (Tensor weight in _before.Values)
        {
            weight.Dispose();
        }

        _model.Dispose();
        Directory.Delete(_rescued, recursive: true);
    }

    private void OutOfMemory()
    {
        Exception? caught = Catch(() => Train(steps: 3, scoring: step =>
        {
            if (step == 2)
            {
                empty([TooMuch], device: _device).Dispose();
            }
        }));
        Compare(
            "out of memory",
            caught is InsufficientMemoryException { InnerException: TrainingStepException { LastGoodStep: 1 } failed } && IsOneStep(failed),
            $"{caught?.Message}");
    }

    private void Cancellation()
    {
        using var source = new CancellationTokenSource();
        AlignmentOutcome? outcome = null;
        Exception? caught = Catch(() => outcome = Train(steps: 3, cancellation: source.Token, scoring: step =>
        {
            if (step == 2)
            {
                source.Cancel();
                source.Token.ThrowIfCancellationRequested();
            }
        }));
        Compare("cancellation", caught is null && outcome is { Steps: 1 } && IsOneStep(outcome.Adapters), caught?.Message ?? "the run returned its first step");
    }

    private void RecomputedBlock()
    {
        var breaker = new Breaker();
        Exception? caught = Catch(() => Train(steps: 3, observer: breaker, scoring: step => breaker.Armed = step == 2));
        Compare(
            "exception within a recomputed block",
            caught is TrainingStepException { LastGoodStep: 1 } failed && ReferenceEquals(failed.InnerException, breaker.Thrown) && IsOneStep(failed),
            $"{caught?.Message}");
    }

    private void Compare(string name, bool right, string note)
    {
        using DisposeScope scope = NewDisposeScope();
        string[] changed = [.. Weights().Where(weight => !HostRead.Flag(weight.Value.eq(_before[weight.Name]).all())).Select(weight => weight.Name)];
        string suffix = changed.Length == 0 ? "" : $" Changed: {string.Join(", ", changed)}.";
        _report(new CheckRow(name, right && changed.Length == 0 ? CheckVerdict.Passed : CheckVerdict.Failed, note + suffix));
        Exception? again = Catch(() => Train(steps: 1));
        _report(new CheckRow($"a run after {name}", again is null ? CheckVerdict.Passed : CheckVerdict.Failed, $"{again?.Message}"));
    }

    private bool IsOneStep(TrainingStepException failed) => failed.LastGoodWeights is { } path && IsOneStep(File.ReadAllBytes(path));

    // A GPU may add in another order in each run.
    private bool IsOneStep(byte[] adapters) =>
        _device.type == DeviceType.CPU ? adapters.AsSpan().SequenceEqual(_oneStep) : adapters.Length == _oneStep.Length;

    private AlignmentOutcome Train(int steps, Action<int>? scoring = null, IRunObserver? observer = null, CancellationToken cancellation = default)
    {
        int done = 0;
        using VideoReward reward = VideoRewards.Custom("brightness", (frames, _) =>
        {
            scoring?.Invoke(done + 1);
            return frames.mean([1, 2, 3, 4]);
        });
        var options = new VideoAlignmentOptions
        {
            Sampling = new() { Frames = 4, Height = 32, Width = 32, Steps = 3 },
            Lora = new() { Rank = 2 },
            Optimizer = new() { Steps = steps },
            Memory = new() { Precision = ComputePrecision.Float32, Recompute = ActivationRecompute.Blocks },
        };
        var run = new AlignmentRun(_model, reward, options, Seed: 1, ["a prompt"], [], _rescued)
        {
            Control = new RunControl { CancellationToken = cancellation },
        };
        using IDisposable? observation = observer is null ? null : RunContext.Observe(observer);
        return OutOfMemoryAdvice.Run(_model, options, reward, () => run.Train(step => done = step.Step, _ => { }));
    }

    private IEnumerable<(string Name, Tensor Value)> Weights() => _model.Networks
        .SelectMany(network => network.Value.state_dict().Select(weight => ($"{network.Key}.{weight.Key}", weight.Value)));

    private static Exception? Catch(Action action)
    {
        try
        {
            action();
            return null;
        }
        catch (Exception exception)
        {
            return exception;
        }
    }

    /// <summary>Throws from the first operation of a block that runs again, on whatever thread libtorch runs it.</summary>
    private sealed class Breaker : IRunObserver
    {
        public bool Armed { get; set; }

        public Exception? Thrown { get; private set; }

        bool IRunObserver.ObservesOps => true;

        void IRunObserver.OpDone(in OpRecord op)
        {
            if (Armed && RunContext.Current.RunsAgain)
            {
                Armed = false;
                Thrown = new InvalidOperationException("a block failed as it ran again");
                throw Thrown;
            }
        }
    }
}
