using Microsoft.ML.VideoAlignment.Schedulers;

namespace Microsoft.ML.VideoAlignment.Algorithms.RewardGradient;

/// <summary>
/// Computes how strongly each step's prediction moves the final latents, from the sampler alone: d(final latents) / d(prediction of step i), with all other
/// predictions fixed. It is the step's own sensitivity times d x_{j+1} / d x_j of every later step, a sampler's history included.
/// </summary>
internal static class StepSensitivity
{
    /// <summary>Computes the derivatives.</summary>
    /// <remarks>
    /// A sampler is linear in predictions and latents, so one run over as many numbers as there are steps, of which number i is 1 in the prediction of step i
    /// and all else is 0, ends in the derivatives themselves.
    /// </remarks>
    /// <param name="sampler">The sampler.</param>
    /// <returns>One derivative for each step, in sampling order.</returns>
    public static double[] Compute(ISampler sampler)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        int steps = sampler.Timesteps.Count;
        Tensor nothing = zeros(steps, dtype: ScalarType.Float64), x = nothing;
        var history = new List<Tensor>();
        using Tensor unit = eye(steps, dtype: ScalarType.Float64);
        for (int step = 0; step < steps; step++)
        {
            SamplerStep result = sampler.Step(step, x, unit[step], history, sampler.NeedsNoise(step) ? nothing : null);
            x = result.Sample;
            history.Add(result.Predicted);
            history.RemoveRange(0, Math.Max(0, history.Count - sampler.HistoryLength));
        }

        return x.data<double>().ToArray();
    }
}
