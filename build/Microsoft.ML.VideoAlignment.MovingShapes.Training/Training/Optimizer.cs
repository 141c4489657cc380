using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.MovingShapes.Training;

/// <summary>
/// Updates a network by its plan: <see cref="Muon"/> for its larger matrices where the plan has a rate for it, <see cref="AdamW"/> for the rest.
/// </summary>
internal sealed class Optimizer : IDisposable
{
    private const double LargestGradientNorm = 1;

    private readonly TrainingPlan _plan;
    private readonly (string Name, Tensor Parameter)[] _parameters;
    private readonly AdamW _adamW;
    private readonly Muon? _muon;

    /// <param name="network">Its trainable parameters are updated; frozen ones are left alone.</param>
    /// <param name="plan">Rates, decay and schedule.</param>
    public Optimizer(nn.Module network, TrainingPlan plan)
    {
        _plan = plan;
        _parameters = [.. network.named_parameters().Where(pair => pair.parameter.requires_grad).Select(pair => (pair.name, (Tensor)pair.parameter))];
        ILookup<bool, (string Name, Tensor Parameter)> byMuon = _parameters.ToLookup(
            pair => plan.MatrixRate > 0 && pair.Parameter.dim() > 1 && pair.Parameter.numel() >= Muon.LeastNumbers);
        _adamW = new AdamW(byMuon[false], plan.Beta2, plan.WeightDecay);
        _muon = plan.MatrixRate > 0 ? new Muon(byMuon[true], plan.MatrixDecay) : null;
    }

    /// <summary>All moments by name.</summary>
    public IEnumerable<(string Name, Tensor Tensor)> Moments => _adamW.Moments.Concat(_muon?.Moments ?? []);

    /// <summary>Updates from the gradients, first scaled down together to a norm of 1, and clears them.</summary>
    /// <param name="step">0 for the first.</param>
    /// <param name="parallel">Threads that share the larger matrices.</param>
    public void Step(int step, SideBySide parallel)
    {
        using IDisposable guard = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor[] gradients =
            [.. _parameters.Select(pair => pair.Parameter.grad ?? throw new InvalidOperationException($"{pair.Name} has no gradient."))];
        double norm = stack(gradients.Select(gradient => gradient.norm())).norm().item<float>();
        double scale = Math.Min(1, LargestGradientNorm / (norm + 1e-6));
        foreach (Tensor gradient in gradients)
        {
            gradient.MulInPlace(scale);
        }

        _adamW.Step(_plan.PeakRate * _plan.Share(step), step + 1);
        if (_muon is not null)
        {
            parallel.Run(part => _muon.Step(_plan.MatrixRate * _plan.Share(step), part, parallel.Parts));
        }

        foreach (Tensor gradient in gradients)
        {
            gradient.zero_();
        }
    }

    public void Dispose()
    {
        _adamW.Dispose();
        _muon?.Dispose();
    }
}
