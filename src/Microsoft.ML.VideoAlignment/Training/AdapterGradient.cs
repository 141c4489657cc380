using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Tensors;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Training;

/// <summary>The gradient of a set of adapters, taken out of its factors.</summary>
internal static class AdapterGradient
{
    /// <summary>Copies by name of what backward passes have added up, which is then forgotten; a factor that none reached is left out.</summary>
    public static IReadOnlyDictionary<string, Tensor> Take(LoraAdapters adapters)
    {
        using IDisposable guard = no_grad();
        var gradient = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        foreach ((string name, Parameter factor) in adapters.NamedFactors)
        {
            using Tensor? held = factor.grad;
            if (held is not null)
            {
                gradient[name] = held.clone();
                factor.grad = null;
            }
        }

        return gradient;
    }

    /// <summary>(a + b) / 2.</summary>
    public static IReadOnlyDictionary<string, Tensor> Mean(IReadOnlyDictionary<string, Tensor> a, IReadOnlyDictionary<string, Tensor> b) =>
        a.ToDictionary(pair => pair.Key, pair => pair.Value.Add(b[pair.Key]).Div(2), StringComparer.Ordinal);

    /// <summary>The largest difference of a number, as a share of the largest number of all; infinite where one lacks a factor that the other has.</summary>
    public static double Distance(IReadOnlyDictionary<string, Tensor> a, IReadOnlyDictionary<string, Tensor> b)
    {
        if (!a.Keys.ToHashSet().SetEquals(b.Keys))
        {
            return double.PositiveInfinity;
        }

        using DisposeScope scope = NewDisposeScope();
        double largest = a.Values.Select(value => value.abs().max().AsDouble()).DefaultIfEmpty().Max();
        double apart = a.Select(pair => (pair.Value - b[pair.Key]).abs().max().AsDouble()).DefaultIfEmpty().Max();
        return apart == 0 ? 0 : apart / largest;
    }
}
