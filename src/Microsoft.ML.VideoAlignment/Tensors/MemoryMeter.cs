namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>What a training step is doing when memory is looked at.</summary>
internal enum MemoryPhase
{
    /// <summary>A denoising step without gradient, adapters merged.</summary>
    Sampling,

    /// <summary>A denoising step whose graph is kept.</summary>
    GradedStep,

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
/// <see cref="Look"/> when they hold most; a storage that was seen once is followed until nobody holds it any more, autograd included. Without a meter
/// in the thread, looking costs nothing.
/// </summary>
internal sealed class MemoryMeter : IDisposable
{
    [ThreadStatic]
    private static MemoryMeter? t_current;

    private readonly HashSet<nint> _apart;
    private readonly Dictionary<nint, Tensor> _held = [];
    private readonly long[] _peaks = new long[Enum.GetValues<MemoryPhase>().Length];
    private readonly DeviceType _counted;
    private MemoryPhase _phase;

    /// <summary>
    /// apart: Tensors that are counted elsewhere, such as weights. device: the one that the meta device stands for. counted: the device whose tensors are counted.
    /// </summary>
    public MemoryMeter(IEnumerable<Tensor> apart, DeviceType device, DeviceType counted = DeviceType.META)
    {
        StorageCount.Require();
        if (t_current is not null)
        {
            throw new InvalidOperationException("This thread has a memory meter already.");
        }

        _apart = [.. apart.Select(StorageCount.Of)];
        (Device, _counted) = (device, counted);
        t_current = this;
    }

    /// <summary>Whether what runs on the meta device should choose the CPU's ways; without a meter it does.</summary>
    public static bool StandsForCpu => t_current is not { Device: not DeviceType.CPU };

    public DeviceType Device { get; }

    /// <summary>Bytes that were alive when last looked at.</summary>
    public long Alive { get; private set; }

    /// <summary>Most bytes that were alive at a time in this phase.</summary>
    public long this[MemoryPhase phase] => _peaks[(int)phase];

    /// <summary>What follows belongs to this phase.</summary>
    public static void Enter(MemoryPhase phase)
    {
        if (t_current is { } meter)
        {
            meter._phase = phase;
        }
    }

    /// <summary>Counts what is alive now: all that this thread's dispose scopes own, what was seen before and is still held, and <paramref name="also"/>.</summary>
    public static void Look(params ReadOnlySpan<Tensor?> also)
    {
        if (t_current is not { } meter)
        {
            return;
        }

        foreach (Tensor? tensor in also)
        {
            meter.Note(tensor);
        }

        meter.Count();
    }

    public void Dispose()
    {
        t_current = null;
        foreach (Tensor tensor in _held.Values)
        {
            tensor.Dispose();
        }

        _held.Clear();
    }

    private void Note(Tensor? tensor)
    {
        if (tensor is null || tensor.device_type != _counted || StorageCount.Of(tensor) is var storage && (_held.ContainsKey(storage) || _apart.Contains(storage)))
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
            Note(tensor);
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
