using Microsoft.ML.VideoAlignment.Lora;

namespace Microsoft.ML.VideoAlignment.Training;

/// <summary>
/// What a run would return if it had ended with its last finished step. While an update is under way it is a copy, which an update that stops half way leaves
/// alone; at other times it is what the adapters hold, or a copy in the host's memory where they are on a device that may stop answering.
/// </summary>
/// <param name="adapters">The run's.</param>
/// <param name="average">What is returned in their stead; null: none.</param>
/// <param name="best">What is returned before all else, once there is a best; null: the best are not kept.</param>
/// <param name="onDevice">Whether the adapters are in other memory than the host's.</param>
internal sealed class FinishedAdapters(LoraAdapters adapters, EmaAdapters? average, BestCheckpoint? best, bool onDevice) : IDisposable
{
    /// <summary>Of <see cref="Live"/>; null: none is needed now.</summary>
    private IReadOnlyList<Tensor>? _copy;
    private int _step;

    /// <summary>To be called before each update.</summary>
    public void BeforeUpdate() => _copy ??= Copy();

    /// <summary>To be called after each update, while the average is not in the factors' place.</summary>
    /// <param name="step">The step that is finished, counted from 1; 0: none is.</param>
    public void Finished(int step)
    {
        _step = step;
        Dispose();
        _copy = onDevice ? Copy() : null;
    }

    /// <summary>The adapters as the content of a file, and whose they are.</summary>
    public RescuedAdapters Rescue()
    {
        using DisposeScope scope = NewDisposeScope();
        if (best is { State: { } state, Step: { } step })
        {
            return new RescuedAdapters(Content(state), step, $"The weights of step {step} (the best on held-out prompts so far)");
        }

        Dictionary<string, Tensor> named = adapters.NamedFactors.Zip(_copy ?? Live).ToDictionary(pair => pair.First.Name, pair => pair.Second, StringComparer.Ordinal);
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

    private IReadOnlyList<Tensor> Live => average?.Returned ?? [.. adapters.Parameters];

    private List<Tensor> Copy()
    {
        using IDisposable guard = no_grad();
        using DisposeScope scope = NewDisposeScope();
        return [.. Live.Select(static factor => factor.detach().cpu().clone().DetachFromDisposeScope())];
    }

    private byte[] Content(IReadOnlyDictionary<string, Tensor> state)
    {
        using LoraWeights weights = adapters.ToWeights(state);
        return AdapterFile.Write(adapters.Network, weights);
    }
}

/// <summary>Adapters of a run that failed.</summary>
/// <param name="Content">Of an <see cref="AdapterFile"/>.</param>
/// <param name="Step">The step whose update is the last in them, counted from 1; 0: they are untrained.</param>
/// <param name="Name">The beginning of a sentence about them.</param>
internal sealed record RescuedAdapters(byte[] Content, int Step, string Name);
