using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Sampling;

/// <summary>
/// Classifier-free guidance (Ho and Salimans 2022, arXiv 2207.12598): u + scale (c - u), both branches in one network call on the batch [unconditional,
/// conditional]. Without an unconditional branch only the conditional one runs.
/// </summary>
/// <remarks>
/// The scale may grow over the frames, as Stable Video Diffusion has it (Blattmann et al. 2023, arXiv 2311.15127, appendix D.3), or be another where the
/// expert for low noise predicts, as Wan 2.2 has it.
/// </remarks>
internal sealed class Guidance : IDisposable
{
    private readonly VideoDiffusionModel _model;
    private readonly Condition _condition;
    private readonly bool _acts;
    private readonly double _first;
    private readonly double _last;
    private readonly double _lowNoise;

    /// <param name="model">The network.</param>
    /// <param name="conditional">What the video should be.</param>
    /// <param name="unconditional">What to lead away from; null: guidance does not act.</param>
    /// <param name="settings">Whose guidance scales are read.</param>
    public Guidance(VideoDiffusionModel model, Condition conditional, Condition? unconditional, SamplingSettings settings)
    {
        _model = model;
        _acts = unconditional is not null;
        (_first, _last) = (settings.MinGuidanceScale ?? settings.GuidanceScale, settings.GuidanceScale);
        _lowNoise = settings.LowNoiseGuidanceScale ?? _last;
        _condition = (_acts ? Condition.Stack(unconditional!, conditional) : conditional.Map(static tensor => tensor.alias())).DetachFromDisposeScope();
    }

    /// <summary>Predicts with guidance, all samples at one timestep.</summary>
    /// <param name="latents">x [B, c, T, h, w], as the network takes it.</param>
    /// <param name="timestep">The timestep that the network is told.</param>
    /// <returns>[B, c, T, h, w].</returns>
    public Tensor Predict(Tensor latents, double timestep) => Kept(latents, [timestep], (input, condition) =>
    {
        RunContext.DenoiserEvaluated(input.shape[0]);
        return _model.Predict(input, timestep, condition);
    });

    /// <summary>Predicts with guidance, each sample at a timestep of its own.</summary>
    /// <param name="latents">x [B, c, T, h, w], as the network takes it.</param>
    /// <param name="timesteps">B timesteps.</param>
    /// <returns>[B, c, T, h, w].</returns>
    public Tensor Predict(Tensor latents, IReadOnlyList<double> timesteps) =>
        Kept(latents, timesteps, (input, condition) => Evaluate(_model, input, _acts ? [.. timesteps, .. timesteps] : timesteps, condition));

    /// <summary>Predicts without guidance, each sample at a timestep of its own.</summary>
    /// <param name="model">The network.</param>
    /// <param name="latents">x [B, c, T, h, w].</param>
    /// <param name="timesteps">B timesteps.</param>
    /// <param name="condition">B rows.</param>
    /// <returns>[B, c, T, h, w].</returns>
    public static Tensor Evaluate(VideoDiffusionModel model, Tensor latents, IReadOnlyList<double> timesteps, Condition condition)
    {
        RunContext.DenoiserEvaluated(latents.shape[0]);
        return model.PredictEach(latents, timesteps, condition);
    }

    // The guided prediction, of which the backward pass finds all or, where whole steps are recomputed, the input alone.
    private Tensor Kept(Tensor latents, IReadOnlyList<double> timesteps, Func<Tensor, Condition, Tensor> predict)
    {
        ActivationMemory memory = RunContext.Current.StepActivations;
        if (memory == ActivationMemory.Keep)
        {
            return Guided(latents, timesteps, _condition, predict);
        }

        // Everything that carries a graph must be among the inputs; the condition itself is gone when the step runs again.
        List<Tensor> inputs = [latents];
        _condition.Map(tensor =>
        {
            inputs.Add(tensor);
            return tensor;
        });
        return Recompute.Run(memory, Again, [.. inputs]);

        Tensor Again(IReadOnlyList<Tensor> given)
        {
            int next = 1;
            return Guided(given[0], timesteps, _condition.Map(_ => given[next++]), predict);
        }
    }

    // timesteps: of all samples, or of each.
    private Tensor Guided(Tensor latents, IReadOnlyList<double> timesteps, Condition condition, Func<Tensor, Condition, Tensor> predict)
    {
        if (!_acts)
        {
            return predict(latents, condition);
        }

        using DisposeScope scope = NewDisposeScope();
        Tensor both = predict(cat([latents, latents]), condition);
        Tensor[] branches = both.chunk(2);
        return branches[0].Add(Scaled(branches[1] - branches[0], timesteps)).MoveToOuterDisposeScope();
    }

    public void Dispose() => _condition.Dispose();

    private Tensor Scaled(Tensor direction, IReadOnlyList<double> timesteps)
    {
        if (_first != _last)
        {
            return direction * PerFrame(direction);
        }

        double[] scales = [.. timesteps.Select(timestep => _lowNoise == _last || _model.ExpertAt(timestep) == 0 ? _last : _lowNoise)];
        return scales.Distinct().Count() == 1 ? direction.Mul(scales[0])
            : direction * DeviceTable.Create(scales, direction.device, direction.dtype).view(-1, 1, 1, 1, 1);
    }

    // [T, 1, 1]: the scale of each frame.
    private Tensor PerFrame(Tensor like) => linspace(_first, _last, like.shape[2], like.dtype, like.device).view(-1, 1, 1);
}
