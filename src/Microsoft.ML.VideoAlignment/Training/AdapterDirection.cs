using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Tensors;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Training;

/// <summary>A direction in which LoRA factors move, and the way back to where they were.</summary>
internal sealed class AdapterDirection : IDisposable
{
    private readonly (string Name, Parameter Factor, Tensor Start, Tensor Direction)[] _parts;

    private AdapterDirection(string name, IEnumerable<(string Name, Parameter Factor, Tensor Direction)> parts)
    {
        Name = name;
        using IDisposable guard = no_grad();
        _parts = [.. parts.Select(part => (part.Name, part.Factor, part.Factor.detach().clone().DetachFromDisposeScope(), part.Direction.DetachFromDisposeScope()))];
    }

    /// <summary>For the report.</summary>
    public string Name { get; }

    /// <summary>Numbers that move.</summary>
    public long Size => _parts.Sum(part => part.Direction.numel());

    /// <summary>Random numbers of each factor's own size, for the factors whose names <paramref name="among"/> takes.</summary>
    public static AdapterDirection Random(string name, LoraAdapters adapters, Func<string, bool> among, Generator generator)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        return new AdapterDirection(name, adapters.NamedFactors.Where(pair => among(pair.Name)).Select(pair =>
            (pair.Name, pair.Factor, randn(pair.Factor.shape, dtype: pair.Factor.dtype, generator: generator).to(pair.Factor.device) * pair.Factor.square().mean().sqrt())).ToList());
    }

    /// <summary>The gradient's own direction, as long as the factors are.</summary>
    public static AdapterDirection Along(string name, LoraAdapters adapters, IReadOnlyDictionary<string, Tensor> gradient)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        double length = Norm(adapters.NamedFactors.Select(pair => (Tensor)pair.Factor)), norm = Norm(gradient.Values);
        return new AdapterDirection(name, adapters.NamedFactors.Where(pair => gradient.ContainsKey(pair.Name))
            .Select(pair => (pair.Name, pair.Factor, gradient[pair.Name].Mul(norm > 0 ? length / norm : 0))).ToList());
    }

    /// <summary>Square root of the sum of squares.</summary>
    public static double Norm(IEnumerable<Tensor> tensors)
    {
        using DisposeScope scope = NewDisposeScope();
        return Math.Sqrt(tensors.Sum(tensor => tensor.detach().square().sum().AsDouble()));
    }

    /// <summary>Length of the direction.</summary>
    public double Length() => Norm(_parts.Select(part => part.Direction));

    /// <summary>Norm of the gradient over what moves.</summary>
    public double NormOf(IReadOnlyDictionary<string, Tensor> gradient) => Norm(_parts.Where(part => gradient.ContainsKey(part.Name)).Select(part => gradient[part.Name]));

    /// <summary>gradient . direction; a factor that the gradient lacks counts as 0.</summary>
    public double Derivative(IReadOnlyDictionary<string, Tensor> gradient)
    {
        using DisposeScope scope = NewDisposeScope();
        return _parts.Where(part => gradient.ContainsKey(part.Name)).Sum(part => (gradient[part.Name] * part.Direction).sum().AsDouble());
    }

    /// <summary>Puts the factors to start + amount * direction.</summary>
    public void Move(double amount)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        foreach ((_, Parameter factor, Tensor start, Tensor direction) in _parts)
        {
            factor.copy_(start.Add(direction.Mul(amount)));
        }
    }

    /// <summary>Puts the factors back.</summary>
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
