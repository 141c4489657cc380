using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Algorithms;

/// <summary>
/// The adapters that a run would return if it had ended with its last finished step. During an update they are a copy, which an update that fails half way does
/// not touch; at other times they are the live ones, or a copy in the host's memory where those are on a device that may stop answering.
/// </summary>
/// <param name="adapters">The run's adapters.</param>
/// <param name="average">The running average, which is returned in their place; null: none.</param>
/// <param name="best">The best so far, which are returned instead, once there are any; null: the best are not kept.</param>
/// <param name="onDevice">Whether the adapters are in other memory than the host's.</param>
internal sealed class FinishedAdapters(LoraAdapters adapters, EmaAdapters? average, BestCheckpoint? best, bool onDevice) : IDisposable
{
    /// <summary>A copy of <see cref="Live"/>; null: none is needed now.</summary>
    private IReadOnlyList<Tensor>? _copy;
    private int _step;

    /// <summary>Makes the copy; call before each update.</summary>
    public void BeforeUpdate() => _copy ??= Copy();

    /// <summary>Marks a step as finished; call after each update, while the average is not in the factors' place.</summary>
    /// <param name="step">The last finished step, counted from 1; 0: none.</param>
    public void MarkFinished(int step)
    {
        _step = step;
        Dispose();
        _copy = onDevice ? Copy() : null;
    }

    /// <summary>Copies the adapters into the content of a file.</summary>
    public RescuedAdapters Rescue()
    {
        using DisposeScope scope = NewDisposeScope();
        if (best is { State: { } state, Step: { } step })
        {
            return new RescuedAdapters(Content(state), step, $"The weights of step {step} (the best in validation so far)");
        }

        Dictionary<string, Tensor> named =
            adapters.NamedFactors.Zip(_copy ?? Live).ToDictionary(pair => pair.First.Name, pair => pair.Second, StringComparer.Ordinal);
        return new RescuedAdapters(Content(named), _step, $"The weights after step {_step}{(average is null ? "" : " (their running average)")}");
    }

    public void Dispose()
    {
        foreach (Tensor tensor in _copy ?? [])
        {
            tensor.Dispose();
        }

        _copy = null;
    }

    private IReadOnlyList<Tensor> Live => average?.Averages ?? [.. adapters.Parameters];

    private List<Tensor> Copy()
    {
        using IDisposable guard = no_grad();
        return [.. HostRead.Copies(Live, nameof(FinishedAdapters)).Select(static copy => copy.DetachFromDisposeScope())];
    }

    private byte[] Content(IReadOnlyDictionary<string, Tensor> state)
    {
        using LoraWeights weights = adapters.ToWeights(state);
        return AdapterFile.Write(adapters.Network, weights);
    }
}

/// <summary>The adapters of a run that failed.</summary>
/// <param name="Content">The content of an <see cref="AdapterFile"/>.</param>
/// <param name="Step">The last step whose update is in them, counted from 1; 0: they are untrained.</param>
/// <param name="Name">The beginning of a sentence about them.</param>
internal sealed record RescuedAdapters(byte[] Content, int Step, string Name);
