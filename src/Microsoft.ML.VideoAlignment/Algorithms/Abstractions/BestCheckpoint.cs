using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Runs;

namespace Microsoft.ML.VideoAlignment.Algorithms;

/// <summary>
/// The adapters that did best in validation, and how long ago that was: for rewards that keep rising in training but no longer in validation.
/// </summary>
/// <param name="adapters">The run's adapters.</param>
/// <param name="direction">Which scores are better.</param>
internal sealed class BestCheckpoint(LoraAdapters adapters, ScoreDirection direction) : IResumable, IDisposable
{
    private IReadOnlyDictionary<string, Tensor>? _state;
    private double _best;

    /// <summary>The best adapters, as <see cref="LoraAdapters.StateDict"/> gives them; null: there was no validation yet.</summary>
    public IReadOnlyDictionary<string, Tensor>? State => _state;

    /// <summary>The step of the best validation; null: there was none yet.</summary>
    public int? Step { get; private set; }

    /// <summary>Validations since the best one.</summary>
    public int ValidationsWithoutGain { get; private set; }

    /// <summary>Records a validation; call while the adapters are those that were measured.</summary>
    /// <param name="step">The optimizer step, counted from 1.</param>
    /// <param name="reward">The mean score.</param>
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

    /// <summary>Restores the best adapters; does nothing before the first validation.</summary>
    public void Restore()
    {
        if (_state is not null)
        {
            adapters.Load(_state);
        }
    }

    /// <summary>Lets the next validation be the best whatever its score is; call when later scores are not comparable with earlier ones.</summary>
    public void Invalidate() =>
        (_best, ValidationsWithoutGain) = (direction == ScoreDirection.HigherIsBetter ? double.NegativeInfinity : double.PositiveInfinity, 0);

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

        (Step, ValidationsWithoutGain) = ((int)state.ReadInteger("step", 1, int.MaxValue), (int)state.ReadInteger("since", 0, int.MaxValue));
        _best = state.ReadNumber("reward");
        _state = adapters.NamedFactors.ToDictionary(
            pair => pair.Name, pair => state.ReadTensorLike($"adapters/{pair.Name}", pair.Factor).DetachFromDisposeScope(), StringComparer.Ordinal);
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
