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

    public AdamW(nn.Module network, double beta2, double decay)
    {
        (_beta2, _decay) = (beta2, decay);
        _entries = [.. network.named_parameters().Where(pair => pair.parameter.requires_grad).Select(pair =>
            (pair.name, (Tensor)pair.parameter, zeros_like(pair.parameter).DetachFromDisposeScope(), zeros_like(pair.parameter).DetachFromDisposeScope()))];
    }

    /// <summary>Both moments by name.</summary>
    public IEnumerable<(string Name, Tensor Tensor)> Moments =>
        _entries.SelectMany(entry => new[] { (entry.Name + ".first", entry.First), (entry.Name + ".second", entry.Second) });

    /// <summary>One update from the gradients, first scaled down to a norm of <paramref name="largestNorm"/>, and clears them. step: 1 for the first.</summary>
    public void Step(double rate, int step, double largestNorm)
    {
        using IDisposable guard = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor[] gradients = [.. _entries.Select(entry => entry.Parameter.grad ?? throw new InvalidOperationException($"{entry.Name} has no gradient."))];
        Tensor norm = stack(gradients.Select(gradient => gradient.norm())).norm();
        double scale = Math.Min(1, largestNorm / (norm.item<float>() + 1e-6));
        (double correction1, double correction2) = (1 - Math.Pow(Beta1, step), 1 - Math.Pow(_beta2, step));
        for (int i = 0; i < gradients.Length; i++)
        {
            using DisposeScope inner = NewDisposeScope();
            (_, Tensor parameter, Tensor first, Tensor second) = _entries[i];
            gradients[i].mul_(scale);
            first.lerp_(gradients[i], 1 - Beta1);
            second.mul_(_beta2).addcmul_(gradients[i], gradients[i], 1 - _beta2);
            Tensor denominator = second.sqrt().div_(Math.Sqrt(correction2)).add_(Eps);
            parameter.mul_(1 - (rate * _decay)).addcdiv_(first, denominator, -rate / correction1);
            gradients[i].zero_();
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
