using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Notes tensors in the CPU's memory that are alive while operations run: in a run on another device there should be none.</summary>
/// <remarks>libtorch itself refuses to mix devices, but for numbers without axes, which it copies, and for which it may wait.</remarks>
internal sealed class HostTensors : IRunObserver
{
    private readonly HashSet<Tensor> _before = new(ReferenceEqualityComparer.Instance);
    private readonly SortedSet<string> _found = new(StringComparer.Ordinal);
    private RunStage? _stage;

    bool IRunObserver.ObservesOps => true;

    /// <summary>Operations that were seen.</summary>
    public int Operations { get; private set; }

    /// <summary>What was found, by stage, type and shape.</summary>
    public IReadOnlyCollection<string> Found => _found;

    /// <summary>Begins at the first stage: what is there before, such as the draws of the adapters' first values, is not the step's.</summary>
    /// <param name="stage">The stage.</param>
    public void Enter(RunStage stage)
    {
        if (_stage is null)
        {
            _before.UnionWith(StorageCount.Owned());
        }

        _stage = stage;
    }

    public void OpDone(in OpRecord op)
    {
        if (_stage is null)
        {
            return;
        }

        Operations++;
        foreach (Tensor? tensor in (Tensor?[])[op.Result, .. op.Factors, .. op.Others, .. StorageCount.Owned()])
        {
            if (tensor is { IsInvalid: false, device_type: DeviceType.CPU } && !_before.Contains(tensor))
            {
                _found.Add($"{_stage}: {tensor.dtype} [{string.Join(", ", tensor.shape)}]");
            }
        }
    }
}
