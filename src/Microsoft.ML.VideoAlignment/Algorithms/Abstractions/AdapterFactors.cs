using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Runs;

namespace Microsoft.ML.VideoAlignment.Algorithms;

/// <summary>The factors that the optimizer updates, neither averaged nor scaled, as a part of a run's state.</summary>
/// <param name="adapters">The run's adapters.</param>
/// <param name="average">The running average, which may be in the factors' place; null: none.</param>
internal sealed class AdapterFactors(LoraAdapters adapters, EmaAdapters? average) : IResumable
{
    public void Save(StateWriter state)
    {
        foreach (((string name, _), Tensor factor) in adapters.NamedFactors.Zip(average?.Trained ?? [.. adapters.Parameters]))
        {
            state.Write(name, factor);
        }
    }

    /// <inheritdoc/>
    /// <remarks>Call while the average is not in the factors' place.</remarks>
    public void Load(StateReader state)
    {
        using DisposeScope scope = NewDisposeScope();
        adapters.Load(adapters.NamedFactors.ToDictionary(pair => pair.Name, pair => state.ReadTensorLike(pair.Name, pair.Factor), StringComparer.Ordinal));
    }
}
