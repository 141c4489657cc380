using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Runs;

namespace Microsoft.ML.VideoAlignment.Training;

/// <summary>What the optimizer moves, neither averaged nor scaled, as a part of a run's state.</summary>
/// <param name="adapters">The run's.</param>
/// <param name="average">What may stand in the factors' place; null: none.</param>
internal sealed class AdapterFactors(LoraAdapters adapters, EmaAdapters? average) : IResumable
{
    public void Save(StateWriter state)
    {
        foreach (((string name, _), Tensor factor) in adapters.NamedFactors.Zip(average?.Moved ?? [.. adapters.Parameters]))
        {
            state.Write(name, factor);
        }
    }

    /// <inheritdoc/>
    /// <remarks>To be called while the average is not in the factors' place.</remarks>
    public void Load(StateReader state)
    {
        using DisposeScope scope = NewDisposeScope();
        adapters.Load(adapters.NamedFactors.ToDictionary(pair => pair.Name, pair => state.TensorLike(pair.Name, pair.Factor), StringComparer.Ordinal));
    }
}
