using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Lora;

/// <summary>
/// Several adapters of one network as one: the sum of strength * scale * up down. Factors are concatenated along the rank, so that the sum is exact and ranks
/// add up.
/// </summary>
internal static class LoraMix
{
    /// <summary>Combines adapters; modules keep the order in which they first appear.</summary>
    /// <param name="parts">Adapters of the same network, each with its strength (1 = as trained).</param>
    /// <returns>Weights with scale 1, which the caller disposes.</returns>
    public static LoraWeights Combine(IReadOnlyList<(LoraWeights Weights, double Strength)> parts)
    {
        using DisposeScope scope = NewDisposeScope();
        IEnumerable<LoraPair> pairs = parts
            .SelectMany(part => part.Weights.Pairs.Select(pair => (Pair: pair, Factor: part.Strength * pair.Scale)))
            .GroupBy(item => item.Pair.Module, StringComparer.Ordinal)
            .Select(group => new LoraPair(
                group.Key,
                cat([.. group.Select(item => item.Pair.Down.to(ScalarType.Float32))], dim: 0).DetachFromDisposeScope(),
                cat([.. group.Select(item => item.Pair.Up.to(ScalarType.Float32).Mul(item.Factor))], dim: 1).DetachFromDisposeScope(),
                Scale: 1));
        return new LoraWeights([.. pairs], new LoraOrigin { Location = string.Join(" + ", parts.Select(part => part.Weights.Origin.Location)) });
    }
}
