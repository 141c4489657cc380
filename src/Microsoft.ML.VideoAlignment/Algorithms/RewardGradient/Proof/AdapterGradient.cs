using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Tensors;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Algorithms.RewardGradient;

/// <summary>Takes gradients out of adapters and compares them.</summary>
internal static class AdapterGradient
{
    /// <summary>Copies the gradient that backward passes have accumulated, and clears it in the adapters.</summary>
    /// <param name="adapters">The adapters.</param>
    /// <returns>The gradient by factor name; a factor that no backward pass reached is left out.</returns>
    public static IReadOnlyDictionary<string, Tensor> CopyAndClear(LoraAdapters adapters)
    {
        using IDisposable guard = no_grad();
        var gradient = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        foreach ((string name, Parameter factor) in adapters.NamedFactors)
        {
            using Tensor? accumulated = factor.grad;
            if (accumulated is not null)
            {
                gradient[name] = accumulated.clone();
                factor.grad = null;
            }
        }

        return gradient;
    }

    /// <summary>Computes the mean (a + b) / 2 of two gradients with the same factors.</summary>
    /// <param name="a">A gradient by factor name.</param>
    /// <param name="b">Another gradient.</param>
    public static IReadOnlyDictionary<string, Tensor> Mean(IReadOnlyDictionary<string, Tensor> a, IReadOnlyDictionary<string, Tensor> b) =>
        a.ToDictionary(pair => pair.Key, pair => pair.Value.Add(b[pair.Key]).Div(2), StringComparer.Ordinal);

    /// <summary>Computes the relative distance of two gradients.</summary>
    /// <param name="a">A gradient by factor name.</param>
    /// <param name="b">Another gradient.</param>
    /// <returns>
    /// The largest difference of two numbers, as a share of the largest number of <paramref name="a"/>; infinite where one gradient lacks a factor of the
    /// other.
    /// </returns>
    public static double Distance(IReadOnlyDictionary<string, Tensor> a, IReadOnlyDictionary<string, Tensor> b)
    {
        if (!a.Keys.ToHashSet().SetEquals(b.Keys))
        {
            return double.PositiveInfinity;
        }

        using DisposeScope scope = NewDisposeScope();
        double largest = a.Values.Select(value => HostRead.Number(value.abs().max())).DefaultIfEmpty().Max();
        double apart = a.Select(pair => HostRead.Number((pair.Value - b[pair.Key]).abs().max())).DefaultIfEmpty().Max();
        return apart == 0 ? 0 : apart / largest;
    }
}
