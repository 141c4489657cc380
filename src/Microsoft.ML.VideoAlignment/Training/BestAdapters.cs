using Microsoft.ML.VideoAlignment.Lora;

namespace Microsoft.ML.VideoAlignment.Training;

/// <summary>
/// The adapters that did best on the held-out prompts, and how long ago that was: against a reward that goes on rising in training and no longer elsewhere.
/// </summary>
/// <param name="adapters">Of the run.</param>
/// <param name="direction">Which scores are better.</param>
internal sealed class BestAdapters(LoraAdapters adapters, ScoreDirection direction) : IDisposable
{
    private IReadOnlyDictionary<string, Tensor>? _state;
    private double _best;

    /// <summary>The best, as <see cref="LoraAdapters.StateDict"/> gives it; null: there was no measurement.</summary>
    public IReadOnlyDictionary<string, Tensor>? State => _state;

    /// <summary>The step of the best measurement; null: there was none.</summary>
    public int? Step { get; private set; }

    /// <summary>Measurements since the best one.</summary>
    public int Since { get; private set; }

    /// <summary>To be called with each measurement, while the adapters are those that were measured.</summary>
    public void Measured(int step, double reward)
    {
        if (Step is not null && !(direction == ScoreDirection.HigherIsBetter ? reward > _best : reward < _best))
        {
            Since++;
            return;
        }

        IReadOnlyDictionary<string, Tensor> state = adapters.StateDict();
        foreach (Tensor tensor in state.Values)
        {
            tensor.DetachFromDisposeScope();
        }

        Free();
        (_state, _best, Step, Since) = (state, reward, step, 0);
    }

    /// <summary>Puts the best back in place of what is there; without a measurement nothing changes.</summary>
    public void Restore()
    {
        if (_state is not null)
        {
            adapters.Load(_state);
        }
    }

    public void Dispose() => Free();

    private void Free()
    {
        foreach (Tensor tensor in _state?.Values ?? [])
        {
            tensor.Dispose();
        }

        _state = null;
    }
}
