namespace Microsoft.ML.VideoAlignment.Pipelines;

/// <summary>
/// Classifier-free guidance (Ho and Salimans 2022, arXiv 2207.12598): u + scale (c - u), both branches in one network call on the batch
/// [unconditional, conditional]. At a scale of 1 or less only the conditional branch runs, as in diffusers.
/// </summary>
internal sealed class Guidance : IDisposable
{
    private readonly VideoDiffusionModel _model;
    private readonly Tensor _condition;
    private readonly double _scale;

    /// <param name="model">The network.</param>
    /// <param name="conditional">[B, L, D].</param>
    /// <param name="unconditional">[B, L, D]; not read when guidance does not act.</param>
    /// <param name="scale">Guidance scale.</param>
    public Guidance(VideoDiffusionModel model, Tensor conditional, Tensor? unconditional, double scale)
    {
        _model = model;
        _scale = scale;
        _condition = (Acts(scale) ? cat([unconditional!, conditional]) : conditional.alias()).DetachFromDisposeScope();
    }

    /// <summary>Whether a scale calls for the unconditional branch.</summary>
    public static bool Acts(double scale) => scale > 1;

    /// <summary>The guided prediction for x [B, c, T, h, w] at a timestep.</summary>
    public Tensor Predict(Tensor latents, double timestep)
    {
        if (!Acts(_scale))
        {
            return _model.Predict(latents, timestep, _condition);
        }

        using DisposeScope scope = NewDisposeScope();
        Tensor both = _model.Predict(cat([latents, latents]), timestep, _condition);
        Tensor[] branches = both.chunk(2);
        return (branches[0] + ((branches[1] - branches[0]) * _scale)).MoveToOuterDisposeScope();
    }

    public void Dispose() => _condition.Dispose();
}
