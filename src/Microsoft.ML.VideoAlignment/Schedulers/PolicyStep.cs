using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Schedulers;

/// <summary>
/// The Gaussian of one denoising step, for a batch whose samples may be at different steps. Reference: ddpo-pytorch, <c>ddim_step_with_logprob</c>; the last
/// step goes to abar_0 there too, whatever set_alpha_to_one says.
/// </summary>
internal static class PolicyStep
{
    /// <summary>Computes mean [B, ...] and standard deviation (B of them) of each sample's step.</summary>
    /// <param name="sampler">The policy.</param>
    /// <param name="steps">B steps in sampling order, 0 = noisiest.</param>
    /// <param name="sample">x_i [B, ...].</param>
    /// <param name="prediction">The network's (guided) output [B, ...]; carries gradient into the mean.</param>
    /// <returns>A fresh tensor and B numbers.</returns>
    public static (Tensor Mean, double[] Deviations) Compute(IPolicySampler sampler, IReadOnlyList<int> steps, Tensor sample, Tensor prediction)
    {
        using DisposeScope scope = NewDisposeScope();
        RequireSteps(steps, sample);
        Tensor mean = steps.Distinct().Count() == 1
            ? sampler.Mean(steps[0], sample, prediction)
            : cat([.. steps.Select((step, row) => sampler.Mean(step, sample.narrow(0, row, 1), prediction.narrow(0, row, 1)))]);
        return (mean.MoveToOuterDisposeScope(), [.. steps.Select(sampler.Deviation)]);
    }

    /// <summary>log N(next; mean, deviation^2) of each sample, as the <em>mean</em> over all its numbers, not their sum.</summary>
    /// <param name="next">The action that was taken [B, ...]; passed without a graph, since no gradient may flow through it.</param>
    /// <param name="mean">Mean of each sample's step [B, ...].</param>
    /// <param name="deviations">B standard deviations, above 0.</param>
    /// <returns>A fresh tensor [B].</returns>
    public static Tensor LogProbability(Tensor next, Tensor mean, IReadOnlyList<double> deviations)
    {
        RequireSteps(deviations, next);
        using DisposeScope scope = NewDisposeScope();
        Tensor Each(Func<double, double> of) => DeviceTable.Create([.. deviations.Select(of)], mean.device, mean.dtype);
        Tensor distance = (next - mean).Pow(2).flatten(1).mean([1]);
        Tensor scaled = distance * Each(static deviation => -0.5 / (deviation * deviation));
        return (scaled - Each(static deviation => Math.Log(deviation) + (0.5 * Math.Log(2 * Math.PI)))).MoveToOuterDisposeScope();
    }

    private static void RequireSteps<T>(IReadOnlyList<T> each, Tensor batch)
    {
        if (each.Count == 0 || each.Count != batch.shape[0])
        {
            throw new ArgumentException($"Expected one step for each of the {batch.shape[0]} samples, got {each.Count}.", nameof(each));
        }
    }
}
