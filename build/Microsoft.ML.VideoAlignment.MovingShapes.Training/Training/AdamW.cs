using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.MovingShapes.Training;

/// <summary>
/// AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101), with moments that can be read and written: TorchSharp's own optimizer cannot save the state of
/// parameters that lie channels-last in memory. Frozen parameters are left alone.
/// </summary>
internal sealed class AdamW : IDisposable
{
    private const double Beta1 = 0.9;
    private const double Eps = 1e-8;

    private readonly List<(string Name, Tensor Parameter, Tensor First, Tensor Second)> _entries;
    private readonly double _beta2;
    private readonly double _decay;

    /// <param name="parameters">What is updated, by name.</param>
    /// <param name="beta2">Keep of the second moment.</param>
    /// <param name="decay">Weight decay, in units of the rate.</param>
    public AdamW(IEnumerable<(string Name, Tensor Parameter)> parameters, double beta2, double decay)
    {
        (_beta2, _decay) = (beta2, decay);
        _entries = [.. parameters.Select(pair => (pair.Name, pair.Parameter, Zeros(pair.Parameter), Zeros(pair.Parameter)))];

        static Tensor Zeros(Tensor parameter) => zeros_like(parameter).DetachFromDisposeScope();
    }

    /// <summary>Both moments by name.</summary>
    public IEnumerable<(string Name, Tensor Tensor)> Moments =>
        _entries.SelectMany(entry => new[] { (entry.Name + ".first", entry.First), (entry.Name + ".second", entry.Second) });

    /// <summary>Updates the parameters from their gradients.</summary>
    /// <param name="rate">Learning rate.</param>
    /// <param name="step">1 for the first.</param>
    public void Step(double rate, int step)
    {
        using IDisposable guard = no_grad();
        (double correction1, double correction2) = (1 - Math.Pow(Beta1, step), 1 - Math.Pow(_beta2, step));
        foreach ((_, Tensor parameter, Tensor first, Tensor second) in _entries)
        {
            using DisposeScope inner = NewDisposeScope();
            Tensor gradient = parameter.grad!;
            first.MulInPlace(Beta1).AddInPlace(gradient, 1 - Beta1);
            second.MulInPlace(_beta2).AddProductInPlace(gradient, gradient, 1 - _beta2);
            Tensor denominator = second.sqrt().Div(Math.Sqrt(correction2)).AddInPlace(Eps);
            parameter.MulInPlace(1 - (rate * _decay)).AddQuotientInPlace(first, denominator, -rate / correction1);
        }
    }

    public void Dispose()
    {
        foreach ((_, _, Tensor first, Tensor second) in _entries)
        {
            first.Dispose();
            second.Dispose();
        }
    }
}
