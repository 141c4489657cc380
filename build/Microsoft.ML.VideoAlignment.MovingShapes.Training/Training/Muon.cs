using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.MovingShapes.Training;

/// <summary>
/// Muon (Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks"): a matrix moves along its momentum made orthogonal by five steps of
/// Newton and Schulz. A convolution's weight is a matrix of its outputs by all the rest.
/// </summary>
internal sealed class Muon : IDisposable
{
    /// <summary>Matrices with fewer numbers than this gain nothing and belong to <see cref="AdamW"/>.</summary>
    public const long LeastNumbers = 4096;

    private const double Keep = 0.95;
    private const int NewtonSchulzSteps = 5;
    private const double Eps = 1e-7;

    private readonly List<(string Name, Tensor Parameter, Tensor Momentum)> _entries;
    private readonly double _decay;

    /// <param name="parameters">What is updated, by name: two dimensions or more each.</param>
    /// <param name="decay">Weight decay, in units of the rate.</param>
    public Muon(IEnumerable<(string Name, Tensor Parameter)> parameters, double decay)
    {
        _decay = decay;
        _entries = [.. parameters.Select(pair => (pair.Name, pair.Parameter, zeros_like(pair.Parameter).DetachFromDisposeScope()))];
    }

    /// <summary>Momentum by name.</summary>
    public IEnumerable<(string Name, Tensor Tensor)> Moments => _entries.Select(entry => (entry.Name + ".momentum", entry.Momentum));

    /// <summary>Updates one share of the parameters from their gradients; shares may be updated at once on several threads.</summary>
    /// <param name="rate">Root mean square of what a square matrix moves by, times the root of its side.</param>
    /// <param name="share">Which share, from 0.</param>
    /// <param name="shares">How many shares there are.</param>
    public void Step(double rate, int share = 0, int shares = 1)
    {
        using IDisposable guard = no_grad();
        foreach ((_, Tensor parameter, Tensor momentum) in _entries.Where((_, index) => index % shares == share))
        {
            using DisposeScope inner = NewDisposeScope();
            Tensor gradient = parameter.grad!;
            momentum.MulInPlace(Keep).AddInPlace(gradient);
            Tensor direction = Orthogonal(momentum.Mul(Keep).Add(gradient).flatten(1));
            double scale = Math.Sqrt(Math.Max(1, direction.shape[0] / (double)direction.shape[1]));
            parameter.MulInPlace(1 - (rate * _decay)).AddInPlace(direction.view(parameter.shape), -rate * scale);
        }
    }

    /// <summary>A matrix with nearly the same singular vectors and singular values near 1.</summary>
    /// <param name="matrix">[rows, columns].</param>
    internal static Tensor Orthogonal(Tensor matrix)
    {
        using DisposeScope scope = NewDisposeScope();
        (double a, double b, double c) = (3.4445, -4.7750, 2.0315);
        bool tall = matrix.shape[0] > matrix.shape[1];
        Tensor x = (tall ? matrix.t() : matrix) / matrix.norm().Add(Eps);
        for (int i = 0; i < NewtonSchulzSteps; i++)
        {
            Tensor square = x.matmul(x.t());
            x = square.Mul(b).Add(square.matmul(square).Mul(c)).matmul(x).Add(x.Mul(a));
        }

        return (tall ? x.t() : x).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        foreach ((_, _, Tensor momentum) in _entries)
        {
            momentum.Dispose();
        }
    }
}
