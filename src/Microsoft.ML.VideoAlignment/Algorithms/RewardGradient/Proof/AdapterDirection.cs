using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Tensors;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Algorithms.RewardGradient;

/// <summary>A direction in which LoRA factors are moved; disposing it restores them.</summary>
internal sealed class AdapterDirection : IDisposable
{
    private readonly (string Name, Parameter Factor, Tensor Start, Tensor Direction)[] _parts;

    private AdapterDirection(string name, IEnumerable<(string Name, Parameter Factor, Tensor Direction)> parts)
    {
        Name = name;
        using IDisposable guard = no_grad();
        _parts =
        [
            .. parts.Select(part => (part.Name, part.Factor, part.Factor.detach().clone().DetachFromDisposeScope(), part.Direction.DetachFromDisposeScope())),
        ];
    }

    /// <summary>The name in the report.</summary>
    public string Name { get; }

    /// <summary>How many numbers move.</summary>
    public long Size => _parts.Sum(part => part.Direction.numel());

    /// <summary>Draws a direction: normal numbers, scaled to each factor's root mean square.</summary>
    /// <param name="name">The name in the report.</param>
    /// <param name="adapters">The adapters.</param>
    /// <param name="among">Chooses the factors that move, by name.</param>
    /// <param name="generator">The generator of the numbers.</param>
    public static AdapterDirection CreateRandom(string name, LoraAdapters adapters, Func<string, bool> among, Generator generator)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        return new AdapterDirection(
            name, adapters.NamedFactors.Where(pair => among(pair.Name)).Select(pair => (pair.Name, pair.Factor, Draw(pair.Factor))).ToList());

        Tensor Draw(Tensor factor) =>
            randn(factor.shape, dtype: factor.dtype, generator: generator).to(factor.device) * factor.Pow(2).mean().sqrt();
    }

    /// <summary>Makes the direction of the gradient, with the length of all factors together.</summary>
    /// <param name="name">The name in the report.</param>
    /// <param name="adapters">The adapters.</param>
    /// <param name="gradient">The gradient by factor name; factors that it lacks do not move.</param>
    public static AdapterDirection CreateAlongGradient(string name, LoraAdapters adapters, IReadOnlyDictionary<string, Tensor> gradient)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        double length = Norm(adapters.NamedFactors.Select(pair => (Tensor)pair.Factor)), norm = Norm(gradient.Values);
        return new AdapterDirection(name, adapters.NamedFactors.Where(pair => gradient.ContainsKey(pair.Name))
            .Select(pair => (pair.Name, pair.Factor, gradient[pair.Name].Mul(norm > 0 ? length / norm : 0))).ToList());
    }

    /// <summary>Computes the L2 norm over all tensors.</summary>
    /// <param name="tensors">The tensors.</param>
    public static double Norm(IEnumerable<Tensor> tensors)
    {
        using DisposeScope scope = NewDisposeScope();
        return Math.Sqrt(tensors.Sum(tensor => HostRead.Number(tensor.detach().Pow(2).sum())));
    }

    /// <summary>Computes the L2 norm of the direction.</summary>
    public double Length() => Norm(_parts.Select(part => part.Direction));

    /// <summary>Computes the L2 norm of a gradient over the factors that move.</summary>
    /// <param name="gradient">The gradient by factor name.</param>
    public double GradientNorm(IReadOnlyDictionary<string, Tensor> gradient) =>
        Norm(_parts.Where(part => gradient.ContainsKey(part.Name)).Select(part => gradient[part.Name]));

    /// <summary>Computes the directional derivative, gradient . direction.</summary>
    /// <param name="gradient">The gradient by factor name; a factor that it lacks counts as 0.</param>
    public double Derivative(IReadOnlyDictionary<string, Tensor> gradient)
    {
        using DisposeScope scope = NewDisposeScope();
        return _parts.Where(part => gradient.ContainsKey(part.Name)).Sum(part => HostRead.Number((gradient[part.Name] * part.Direction).sum()));
    }

    /// <summary>Sets the factors to start + amount * direction.</summary>
    /// <param name="amount">How far to move; 0 is the start.</param>
    public void Move(double amount)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        foreach ((_, Parameter factor, Tensor start, Tensor direction) in _parts)
        {
            factor.copy_(start.Add(direction.Mul(amount)));
        }
    }

    /// <summary>Restores the factors.</summary>
    public void Dispose()
    {
        using IDisposable guard = no_grad();
        foreach ((_, Parameter factor, Tensor start, Tensor direction) in _parts)
        {
            factor.copy_(start);
            start.Dispose();
            direction.Dispose();
        }
    }
}
