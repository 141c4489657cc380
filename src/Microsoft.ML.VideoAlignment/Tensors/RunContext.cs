namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>
/// What belongs to a run and to no thread: its device, its cancellation, its observers, what it keeps for backward passes, and their failures. It goes with
/// the flow of execution into tasks and threads, and with a recorded node to whatever thread runs the node's backward pass; concurrent runs do not see each
/// other's.
/// </summary>
internal sealed record RunContext
{
    private static readonly AsyncLocal<RunContext?> s_current = new();
    private static readonly RunContext s_none = new();

    private readonly StopGradient.Recording? _constants;

    /// <summary>The context of the running flow; an empty one outside of runs.</summary>
    public static RunContext Current
    {
        get => s_current.Value ?? s_none;
        private set => s_current.Value = value;
    }

    /// <summary>Whether anyone in the flow wants <see cref="IRunObserver.OpDone"/>.</summary>
    public static bool ObservesOps => s_current.Value is { HasOpObserver: true };

    /// <summary>Whether what runs on the meta device stands for the CPU; it does unless the run's device is another.</summary>
    public static bool IsForCpu => s_current.Value is not { Device: { } device } || device == DeviceType.CPU;

    /// <summary>Where the run computes, which the meta device stands for in an estimate; null: not known.</summary>
    public DeviceType? Device { get; private init; }

    /// <summary>What each part of the run computes in; float32 unless the run says otherwise.</summary>
    public RunPrecision Precision { get; private init; } = RunPrecision.Float32;

    /// <summary>The half type that the running network computes in; null: each operation computes in the type of its input.</summary>
    public ScalarType? ComputeType { get; private init; }

    /// <summary>What blocks of networks keep for the backward pass; all, unless <see cref="Recompute.BeginScope"/> says otherwise.</summary>
    public ActivationMemory Activations { get; private init; }

    /// <summary>What a whole denoising step keeps for the backward pass; all, unless <see cref="Recompute.BeginScope"/> says otherwise.</summary>
    public ActivationMemory StepActivations { get; private init; }

    /// <summary>Bytes of a band of what decoders compute in bands; null: they compute whole images. See <see cref="Recompute.BeginScope"/>.</summary>
    public long? TileBytes { get; private init; }

    /// <summary>Ends the run's work at its next step; a token that is never canceled outside of runs.</summary>
    public CancellationToken Cancellation { get; private init; }

    /// <summary>Whether a block runs again for its backward pass.</summary>
    public bool RunsAgain { get; private init; }

    /// <summary>What keeps constants while a gradient is proved; null: none.</summary>
    public StopGradient.Recording? Constants
    {
        get => _constants is { IsOver: false } ? _constants : null;
        init => _constants = value;
    }

    /// <summary>The run's failures on their way out of a backward pass; those of all flows without a run are kept together.</summary>
    public BackwardFailures Failures => Scope is { IsOver: false } ? Scope.Failures : BackwardFailures.WithoutRun;

    /// <summary>The run's tables; null outside of runs.</summary>
    public RunTables? Tables => Scope is { IsOver: false } ? Scope.Tables : null;

    private RunScope? Scope { get; init; }

    private Observation[] Observations { get; init; } = [];

    private bool HasOpObserver { get; init; }

    /// <summary>Begins a run in this flow of execution, until disposed. Observers of an enclosing flow go on listening.</summary>
    /// <param name="device">Where the run computes.</param>
    /// <param name="precision">What each part of the run computes in; null: float32.</param>
    /// <param name="cancellation">Ends the run's work; that of an enclosing run does not.</param>
    /// <returns>The run's end.</returns>
    public static IDisposable Begin(DeviceType device, RunPrecision? precision = null, CancellationToken cancellation = default)
    {
        var run = new RunScope(s_current.Value);
        Current = Current with { Scope = run, Device = device, Precision = precision ?? RunPrecision.Float32, ComputeType = null, Cancellation = cancellation };
        return run;
    }

    /// <summary>Sets what the networks of this flow of execution compute in, until disposed.</summary>
    /// <param name="type">A half type; float32 for a part that stays out of it.</param>
    /// <returns>The end of it.</returns>
    public static IDisposable ComputeIn(ScalarType type)
    {
        var scope = new ComputeScope(Current.ComputeType);
        Current = Current with { ComputeType = type };
        return scope;
    }

    /// <summary>Runs work that is not the run's, such as a callback of the user's, in the context around the run: its observers do not hear of it.</summary>
    /// <param name="work">The work.</param>
    public static void RunOutside(Action work)
    {
        RunContext run = Current;
        s_current.Value = run.Scope is { } scope ? scope.Outer : s_current.Value;
        try
        {
            work();
        }
        finally
        {
            Current = run;
        }
    }

    /// <summary>Lets an observer listen in this flow of execution, until disposed. It takes the place of one of its own class.</summary>
    /// <param name="observer">The listener.</param>
    /// <param name="device">What the meta device stands for meanwhile; null: as before.</param>
    /// <returns>The observation's end; null where the observer listens already.</returns>
    public static IDisposable? Observe(IRunObserver observer, DeviceType? device = null)
    {
        RunContext outer = Current;
        Observation? replaced = outer.Find(observer.GetType());
        if (replaced?.Observer == observer)
        {
            return null;
        }

        var observation = new Observation(observer, replaced, device is null ? null : outer);
        Current = outer.Listening([.. outer.Observations.Where(other => other != replaced), observation]) with { Device = device ?? outer.Device };
        return observation;
    }

    /// <summary>The observer of a class that listens in this flow of execution; null: none does.</summary>
    /// <typeparam name="T">Its class.</typeparam>
    public static T? Observer<T>()
        where T : class, IRunObserver => (T?)Current.Find(typeof(T))?.Observer;

    /// <summary>Ends the work where the run is canceled.</summary>
    /// <exception cref="OperationCanceledException">It is.</exception>
    public static void ThrowIfCanceled() => Current.Cancellation.ThrowIfCancellationRequested();

    /// <summary>Tells the flow's observers that a stage begins.</summary>
    /// <param name="stage">The stage.</param>
    public static void Enter(RunStage stage)
    {
        foreach (Observation observation in Current.Observations)
        {
            observation.Live?.Enter(stage);
        }
    }

    /// <summary>Tells the flow's observers of an operation; callers ask <see cref="ObservesOps"/> first, as the record costs something.</summary>
    /// <param name="op">The operation.</param>
    public static void OpDone(in OpRecord op)
    {
        foreach (Observation observation in Current.Observations)
        {
            if (observation.Live is { ObservesOps: true } observer)
            {
                observer.OpDone(op);
            }
        }
    }

    /// <summary>Tells the flow's observers of a result that took no products.</summary>
    /// <param name="result">The result.</param>
    /// <param name="others">Further tensors that are alive; null entries are passed over.</param>
    /// <returns>The result.</returns>
    public static Tensor OpDone(Tensor result, ReadOnlySpan<Tensor?> others)
    {
        if (ObservesOps)
        {
            OpDone(new OpRecord(OpKind.Other, 0, result, [], others));
        }

        return result;
    }

    /// <summary>Tells the flow's observers that the denoiser is evaluated, unless that is done again for a backward pass.</summary>
    /// <param name="rows">Rows of its batch.</param>
    public static void DenoiserEvaluated(long rows)
    {
        RunContext current = Current;
        foreach (Observation observation in current.RunsAgain ? [] : current.Observations)
        {
            observation.Live?.DenoiserEvaluated(rows);
        }
    }

    /// <summary>Tells the flow's observers that the host reads numbers of the device.</summary>
    /// <param name="reader">The member that reads.</param>
    public static void HostReads(string reader)
    {
        foreach (Observation observation in Current.Observations)
        {
            observation.Live?.HostReads(reader);
        }
    }

    /// <summary>Tells the flow's observers that the backward pass of an operation begins.</summary>
    /// <param name="operation">Its name.</param>
    public static void Differentiating(string operation)
    {
        foreach (Observation observation in Current.Observations)
        {
            observation.Live?.Differentiating(operation);
        }
    }

    /// <summary>Tells the flow's observers that an input is about to come back from the CPU's memory.</summary>
    public static void RestoringInput()
    {
        foreach (Observation observation in Current.Observations)
        {
            observation.Live?.RestoringInput();
        }
    }

    /// <summary>Replaces what keeps constants in this flow of execution.</summary>
    /// <param name="recording">What keeps them from now on; null: none.</param>
    public static void KeepConstants(StopGradient.Recording? recording) => Current = Current with { Constants = recording };

    /// <summary>Replaces what this flow of execution keeps for backward passes.</summary>
    /// <param name="blocks">What blocks of networks keep.</param>
    /// <param name="steps">What whole denoising steps keep.</param>
    /// <param name="tileBytes">Bytes of a band of what decoders compute in bands; null: they compute whole images.</param>
    public static void SetActivations(ActivationMemory blocks, ActivationMemory steps, long? tileBytes) =>
        Current = Current with { Activations = blocks, StepActivations = steps, TileBytes = tileBytes };

    /// <summary>Runs a block that ran before, for its backward pass.</summary>
    /// <param name="block">The block.</param>
    /// <returns>What the block returns.</returns>
    public static Tensor RunAgain(Func<Tensor> block)
    {
        RunContext current = Current;
        if (current.RunsAgain || current.Observations.Length == 0)
        {
            return block();
        }

        Current = current with { RunsAgain = true };
        try
        {
            return block();
        }
        finally
        {
            Current = current;
        }
    }

    /// <summary>Runs work in a flow that was captured; what the calling flow has set itself stays.</summary>
    /// <param name="flow">The captured flow; null: the calling one.</param>
    /// <param name="body">The work; its changes of the context end with it.</param>
    public static void Run(ExecutionContext? flow, Action body)
    {
        if (flow is null)
        {
            body();
            return;
        }

        RunContext caller = Current;
        ExecutionContext.Run(
            flow, _ =>
            {
                if (!ReferenceEquals(caller, Current) && !ReferenceEquals(caller, s_none))
                {
                    Current = caller.Over(Current);
                }

                body();
            },
            null);
    }

    private RunContext Listening(Observation[] observations) => this with
    {
        Observations = observations,
        HasOpObserver = observations.Any(observation => observation.Live is { ObservesOps: true }),
    };

    private Observation? Find(Type observer) => Array.Find(Observations, observation => observation.Live?.GetType() == observer);

    private RunContext Over(RunContext other) => other.Listening(
        [
            .. Observations.Where(observation => observation.Live is not null),
            .. other.Observations.Where(observation => observation.Live is { } observer && Find(observer.GetType()) is null),
        ]) with
    {
        Scope = Scope is { IsOver: false } ? Scope : other.Scope,
        Device = Device ?? other.Device,
        Constants = Constants ?? other.Constants,
        RunsAgain = RunsAgain || other.RunsAgain,
        Cancellation = Cancellation.CanBeCanceled ? Cancellation : other.Cancellation,
    };

    /// <summary>The time in which an observer listens.</summary>
    /// <param name="observer">The listener.</param>
    /// <param name="replaced">The observation of the same class whose place this one takes; null: none.</param>
    /// <param name="outer">The context whose device comes back afterwards; null: the device is left.</param>
    private sealed class Observation(IRunObserver observer, Observation? replaced, RunContext? outer) : IDisposable
    {
        private bool _isOver;

        public IRunObserver Observer => observer;

        /// <summary>The observer; null once its time has ended.</summary>
        public IRunObserver? Live => Volatile.Read(ref _isOver) ? null : observer;

        public void Dispose()
        {
            Volatile.Write(ref _isOver, true);
            RunContext current = Current;
            if (current.Observations.Contains(this))
            {
                RunContext without = current.Listening([.. current.Observations.Select(other => other == this ? replaced : other).OfType<Observation>()]);
                Current = outer is null ? without : without with { Device = outer.Device };
            }
        }
    }

    /// <summary>The time in which networks compute in half precision.</summary>
    /// <param name="outer">The type before it, which comes back.</param>
    private sealed class ComputeScope(ScalarType? outer) : IDisposable
    {
        public void Dispose() => Current = Current with { ComputeType = outer };
    }

    /// <summary>The time of a run.</summary>
    /// <param name="outer">The context around it; null: none.</param>
    private sealed class RunScope(RunContext? outer) : IDisposable
    {
        public BackwardFailures Failures { get; } = new();

        public RunTables Tables { get; } = new();

        /// <summary>The context around the run; null: none.</summary>
        public RunContext? Outer => outer;

        /// <summary>Whether the run has ended.</summary>
        public bool IsOver { get; private set; }

        public void Dispose()
        {
            IsOver = true;
            s_current.Value = outer;
            Tables.Dispose();
        }
    }
}
