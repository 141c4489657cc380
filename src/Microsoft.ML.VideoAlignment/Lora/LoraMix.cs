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
    /// <exception cref="ArgumentException">A strength takes factors beyond what float32 holds.</exception>
    public static LoraWeights Combine(IReadOnlyList<(LoraWeights Weights, double Strength)> parts)
    {
        using DisposeScope scope = NewDisposeScope();
        IEnumerable<LoraPair> pairs = parts
            .SelectMany(part => part.Weights.Pairs.Select(pair => (Pair: pair, Up: Scaled(pair, part))))
            .GroupBy(item => item.Pair.Module, StringComparer.Ordinal)
            .Select(group => new LoraPair(
                group.Key,
                cat([.. group.Select(item => item.Pair.Down.to(ScalarType.Float32))], dim: 0).DetachFromDisposeScope(),
                cat([.. group.Select(item => item.Up)], dim: 1).DetachFromDisposeScope(),
                Scale: 1));
        return new LoraWeights([.. pairs], new LoraOrigin { Location = string.Join(" + ", parts.Select(part => part.Weights.Origin.Location)) });
    }

    private static Tensor Scaled(LoraPair pair, (LoraWeights Weights, double Strength) part)
    {
        Tensor up = pair.Up.to(ScalarType.Float32).Mul(part.Strength * pair.Scale);
        return HostRead.Flag(up.isfinite().all()) ? up
            : throw new ArgumentException($"The strength of '{part.Weights.Origin.Location}' takes the factors of {pair.Module} beyond what float32 holds, "
                + $"got {part.Strength}; take one nearer to 1.");
    }
}
