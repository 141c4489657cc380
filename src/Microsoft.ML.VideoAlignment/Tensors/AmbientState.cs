namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>
/// What belongs to a flow of execution and to no thread. It goes with the flow into tasks and threads, and with a recorded node to whatever thread runs the
/// node's backward pass; concurrent flows do not see each other's. Members that have ended read as null wherever they are still referred to.
/// </summary>
internal sealed record AmbientState
{
    private static readonly AsyncLocal<AmbientState?> s_current = new();
    private static readonly AmbientState s_none = new();

    private readonly StopGradient.Recording? _constants;
    private readonly FlopCounter? _work;
    private readonly MemoryProfiler? _memory;
    private readonly BackwardObserver? _observer;

    /// <summary>The state of the running flow.</summary>
    public static AmbientState Current
    {
        get => s_current.Value ?? s_none;
        set => s_current.Value = value;
    }

    /// <summary>Who keeps constants; null: none does.</summary>
    public StopGradient.Recording? Constants
    {
        get => _constants is { IsOver: false } ? _constants : null;
        init => _constants = value;
    }

    /// <summary>Who counts operations; null: none does.</summary>
    public FlopCounter? Work
    {
        get => _work is { IsEnded: false } ? _work : null;
        init => _work = value;
    }

    /// <summary>Who counts memory; null: none does.</summary>
    public MemoryProfiler? Memory
    {
        get => _memory is { IsEnded: false } ? _memory : null;
        init => _memory = value;
    }

    /// <summary>Who observes backward passes; null: none does.</summary>
    public BackwardObserver? Observer
    {
        get => _observer is { IsOver: false } ? _observer : null;
        init => _observer = value;
    }

    /// <summary>Runs <paramref name="body"/> in a flow that was captured; what the calling flow has set itself stays.</summary>
    /// <param name="flow">The captured flow; null: the calling one.</param>
    /// <param name="body">Its changes of the state end with it.</param>
    public static void Run(ExecutionContext? flow, Action body)
    {
        if (flow is null)
        {
            body();
            return;
        }

        AmbientState caller = Current;
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

    private AmbientState Over(AmbientState other) => new()
    {
        Constants = Constants ?? other.Constants,
        Work = Work ?? other.Work,
        Memory = Memory ?? other.Memory,
        Observer = Observer ?? other.Observer,
    };
}
