using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Runs;

namespace Microsoft.ML.VideoAlignment.Training;

/// <summary>
/// The adapters that did best on the held-out prompts, and how long ago that was: against a reward that goes on rising in training and no longer elsewhere.
/// </summary>
/// <param name="adapters">Of the run.</param>
/// <param name="direction">Which scores are better.</param>
internal sealed class BestCheckpoint(LoraAdapters adapters, ScoreDirection direction) : IResumable, IDisposable
{
    private IReadOnlyDictionary<string, Tensor>? _state;
    private double _best;

    /// <summary>The best, as <see cref="LoraAdapters.StateDict"/> gives it; null: there was no measurement.</summary>
    public IReadOnlyDictionary<string, Tensor>? State => _state;

    /// <summary>The step of the best measurement; null: there was none.</summary>
    public int? Step { get; private set; }

    /// <summary>Measurements since the best one.</summary>
    public int ValidationsWithoutGain { get; private set; }

    /// <summary>To be called with each measurement, while the adapters are those that were measured.</summary>
    public void Record(int step, double reward)
    {
        if (Step is not null && !(direction == ScoreDirection.HigherIsBetter ? reward > _best : reward < _best))
        {
            ValidationsWithoutGain++;
            return;
        }

        IReadOnlyDictionary<string, Tensor> state = adapters.StateDict();
        foreach (Tensor tensor in state.Values)
        {
            tensor.DetachFromDisposeScope();
        }

        DisposeBest();
        (_state, _best, Step, ValidationsWithoutGain) = (state, reward, step, 0);
    }

    /// <summary>Puts the best back in place of what is there; without a measurement nothing changes.</summary>
    public void Restore()
    {
        if (_state is not null)
        {
            adapters.Load(_state);
        }
    }

    /// <summary>To be called when measurements from now on do not compare with those before: the next one is the best, whatever it is.</summary>
    public void Invalidate() => (_best, ValidationsWithoutGain) = (direction == ScoreDirection.HigherIsBetter ? double.NegativeInfinity : double.PositiveInfinity, 0);

    public void Save(StateWriter state)
    {
        if (Step is not { } step)
        {
            return;
        }

        state.Write("step", step);
        state.Write("since", ValidationsWithoutGain);
        state.Write("reward", _best);
        foreach ((string name, Tensor factor) in _state!)
        {
            state.Write($"adapters/{name}", factor);
        }
    }

    public void Load(StateReader state)
    {
        DisposeBest();
        if (state.IsEmpty)
        {
            (Step, ValidationsWithoutGain) = (null, 0);
            return;
        }

        (Step, ValidationsWithoutGain, _best) = ((int)state.Integer("step", 1, int.MaxValue), (int)state.Integer("since", 0, int.MaxValue), state.Number("reward"));
        _state = adapters.NamedFactors.ToDictionary(
            pair => pair.Name, pair => state.TensorLike($"adapters/{pair.Name}", pair.Factor).DetachFromDisposeScope(), StringComparer.Ordinal);
    }

    public void Dispose() => DisposeBest();

    private void DisposeBest()
    {
        foreach (Tensor tensor in _state?.Values ?? [])
        {
            tensor.Dispose();
        }

        _state = null;
    }
}
