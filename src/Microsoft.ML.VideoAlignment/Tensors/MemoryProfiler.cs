namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>
/// Counts what tensors would take while the real code runs on the meta device, where tensors have shapes and no memory: at every operation and as each stage
/// begins. A storage that was seen once is followed until it has no holder any more, autograd included.
/// </summary>
internal sealed class MemoryProfiler : IRunObserver, IDisposable
{
    private readonly int _thread = Environment.CurrentManagedThreadId;
    private readonly Lock _lock = new();
    private readonly HashSet<nint> _apart;
    private readonly Dictionary<nint, Tensor> _held = [];
    private readonly long[] _peaks = new long[Enum.GetValues<RunStage>().Length];
    private readonly DeviceType _counted;
    private readonly IDisposable? _observation;
    private RunStage _stage = RunStage.Sampling;
    private bool _hasEnded;

    /// <summary>Begins to count, until disposed.</summary>
    /// <param name="apart">Tensors that are counted elsewhere, such as weights.</param>
    /// <param name="device">The device that the meta device stands for.</param>
    /// <param name="counted">The device whose tensors are counted.</param>
    /// <exception cref="InvalidOperationException">The flow has a profiler already.</exception>
    /// <exception cref="NotSupportedException">See <see cref="StorageCount.Require"/>.</exception>
    public MemoryProfiler(IEnumerable<Tensor> apart, DeviceType device, DeviceType counted = DeviceType.META)
    {
        StorageCount.Require();
        if (RunContext.Observer<MemoryProfiler>()?._thread == _thread)
        {
            throw new InvalidOperationException("This flow of execution has a memory profiler already. Dispose it before another begins.");
        }

        _apart = [.. apart.Select(StorageCount.StorageAddress)];
        _counted = counted;
        _observation = RunContext.Observe(this, device);
    }

    bool IRunObserver.ObservesOps => true;

    /// <summary>Bytes that were alive when last counted.</summary>
    public long Alive { get; private set; }

    /// <summary>Most bytes that were alive at a time in a stage.</summary>
    /// <param name="stage">The stage.</param>
    public long this[RunStage stage] => _peaks[(int)stage];

    void IRunObserver.Enter(RunStage stage)
    {
        lock (_lock)
        {
            _stage = stage;
        }

        Sample();
    }

    void IRunObserver.OpDone(in OpRecord op)
    {
        lock (_lock)
        {
            Follow([op.Result]);
            Follow(op.Factors);
            Follow(op.Others);
            Count();
        }
    }

    /// <summary>Counts what is alive now: all that the running thread's dispose scopes own, and what was seen before and is still held.</summary>
    /// <param name="also">Tensors that are counted too; null entries are passed over.</param>
    public void Sample(params ReadOnlySpan<Tensor?> also)
    {
        lock (_lock)
        {
            Follow(also);
            Count();
        }
    }

    public void Dispose()
    {
        _observation?.Dispose();
        lock (_lock)
        {
            _hasEnded = true;
            foreach (Tensor tensor in _held.Values)
            {
                tensor.Dispose();
            }

            _held.Clear();
        }
    }

    private void Follow(ReadOnlySpan<Tensor?> tensors)
    {
        foreach (Tensor? tensor in tensors)
        {
            Follow(tensor);
        }
    }

    private void Follow(Tensor? tensor)
    {
        if (_hasEnded || tensor is null || tensor.device_type != _counted)
        {
            return;
        }

        nint storage = StorageCount.StorageAddress(tensor);
        if (_held.ContainsKey(storage) || _apart.Contains(storage))
        {
            return;
        }

        using IDisposable guard = no_grad();
        _held.Add(storage, tensor.detach().DetachFromDisposeScope());
    }

    private void Count()
    {
        if (_hasEnded)
        {
            return;
        }

        foreach (Tensor tensor in StorageCount.Owned().ToList())
        {
            Follow(tensor);
        }

        long alive = 0;
        foreach ((nint storage, Tensor tensor) in _held)
        {
            if (StorageCount.Holders(tensor) == 1)
            {
                tensor.Dispose();
                _held.Remove(storage);
            }
            else
            {
                alive += StorageCount.Bytes(tensor);
            }
        }

        Alive = alive;
        _peaks[(int)_stage] = Math.Max(_peaks[(int)_stage], alive);
    }
}
