namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>What a training step is doing when memory is looked at.</summary>
internal enum MemoryPhase
{
    /// <summary>A denoising step without gradient, adapters merged.</summary>
    Sampling,

    /// <summary>A denoising step whose graph is kept.</summary>
    GradientStep,

    /// <summary>Decoding the frames that the reward is shown.</summary>
    Decode,

    /// <summary>Scoring them, and the loss.</summary>
    Score,

    /// <summary>The gradient, back through all of that.</summary>
    Backward,

    /// <summary>Generating a finished video without gradient, decoded part by part.</summary>
    Generation,

    /// <summary>Generating and scoring held-out videos.</summary>
    HeldOut,
}

/// <summary>
/// Counts what tensors would take while the real code runs on the meta device, where tensors have shapes and no memory. Kernels and layers call
/// <see cref="Sample"/> when they hold most; a storage that was seen once is followed until nobody holds it any more, autograd included. Without a meter
/// in the flow of execution, looking costs nothing.
/// </summary>
internal sealed class MemoryProfiler : IDisposable
{
    private readonly int _thread = Environment.CurrentManagedThreadId;
    private readonly MemoryProfiler? _outer = AmbientState.Current.Memory;
    private readonly Lock _lock = new();
    private readonly HashSet<nint> _apart;
    private readonly Dictionary<nint, Tensor> _held = [];
    private readonly long[] _peaks = new long[Enum.GetValues<MemoryPhase>().Length];
    private readonly DeviceType _counted;
    private MemoryPhase _phase;

    /// <summary>
    /// apart: Tensors that are counted elsewhere, such as weights. device: the one that the meta device stands for. counted: the device whose tensors are counted.
    /// </summary>
    public MemoryProfiler(IEnumerable<Tensor> apart, DeviceType device, DeviceType counted = DeviceType.META)
    {
        StorageCount.Require();
        if (_outer?._thread == _thread)
        {
            throw new InvalidOperationException("This flow of execution has a memory meter already. Dispose it before another begins.");
        }

        _apart = [.. apart.Select(StorageCount.StorageAddress)];
        (Device, _counted) = (device, counted);
        AmbientState.Current = AmbientState.Current with { Memory = this };
    }

    /// <summary>Whether what runs on the meta device should choose the CPU's ways; without a meter it does.</summary>
    public static bool EstimatesCpu => AmbientState.Current.Memory is not { Device: not DeviceType.CPU };

    public DeviceType Device { get; }

    /// <summary>Whether the meter counts no more.</summary>
    public bool IsEnded { get; private set; }

    /// <summary>Bytes that were alive when last looked at.</summary>
    public long Alive { get; private set; }

    /// <summary>Most bytes that were alive at a time in this phase.</summary>
    public long this[MemoryPhase phase] => _peaks[(int)phase];

    /// <summary>What follows belongs to this phase.</summary>
    public static void Enter(MemoryPhase phase)
    {
        if (AmbientState.Current.Memory is { } meter)
        {
            meter._phase = phase;
        }
    }

    /// <summary>
    /// Counts what is alive now: all that the running thread's dispose scopes own, what was seen before and is still held, and <paramref name="also"/>.
    /// </summary>
    public static void Sample(params ReadOnlySpan<Tensor?> also)
    {
        if (AmbientState.Current.Memory is not { } meter)
        {
            return;
        }

        lock (meter._lock)
        {
            if (meter.IsEnded)
            {
                return;
            }

            foreach (Tensor? tensor in also)
            {
                meter.RecordPeak(tensor);
            }

            meter.Count();
        }
    }

    public void Dispose()
    {
        AmbientState.Current = AmbientState.Current with { Memory = _outer };
        lock (_lock)
        {
            IsEnded = true;
            foreach (Tensor tensor in _held.Values)
            {
                tensor.Dispose();
            }

            _held.Clear();
        }
    }

    private void RecordPeak(Tensor? tensor)
    {
        if (tensor is null || tensor.device_type != _counted || StorageCount.StorageAddress(tensor) is var storage && (_held.ContainsKey(storage) || _apart.Contains(storage)))
        {
            return;
        }

        using IDisposable guard = no_grad();
        _held.Add(storage, tensor.detach().DetachFromDisposeScope());
    }

    private void Count()
    {
        foreach (Tensor tensor in StorageCount.Owned().ToList())
        {
            RecordPeak(tensor);
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
        _peaks[(int)_phase] = Math.Max(_peaks[(int)_phase], alive);
    }
}
