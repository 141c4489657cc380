namespace Microsoft.ML.VideoAlignment.Schedulers;

/// <summary>
/// The Gaussian of one denoising step, for a batch whose samples may be at different steps. Reference: ddpo-pytorch, <c>ddim_step_with_logprob</c>; the
/// last step goes to abar_0 there too, whatever set_alpha_to_one says.
/// </summary>
internal static class PolicyStep
{
    /// <summary>Mean [B, ...] and standard deviation (B of them) of each sample's step.</summary>
    /// <param name="sampler">The policy.</param>
    /// <param name="steps">B steps in sampling order, 0 = noisiest.</param>
    /// <param name="sample">x_i [B, ...].</param>
    /// <param name="prediction">[B, ...]; carries gradient into the mean.</param>
    public static (Tensor Mean, double[] Deviations) Compute(IPolicySampler sampler, IReadOnlyList<int> steps, Tensor sample, Tensor prediction)
    {
        using DisposeScope scope = NewDisposeScope();
        RequireSteps(steps, sample);
        Tensor mean = steps.Distinct().Count() == 1
            ? sampler.Mean(steps[0], sample, prediction)
            : cat([.. steps.Select((step, row) => sampler.Mean(step, sample.narrow(0, row, 1), prediction.narrow(0, row, 1)))]);
        return (mean.MoveToOuterDisposeScope(), [.. steps.Select(sampler.Deviation)]);
    }

    /// <summary>
    /// log N(next; mean, deviation^2) of each sample, as the <em>mean</em> over all its numbers, not their sum -> [B]. No gradient is to pass through
    /// <paramref name="next"/>: it is an action that was taken, and the caller gives it without a graph.
    /// </summary>
    public static Tensor LogProbability(Tensor next, Tensor mean, IReadOnlyList<double> deviations)
    {
        RequireSteps(deviations, next);
        using DisposeScope scope = NewDisposeScope();
        Tensor Each(Func<double, double> of) => tensor(deviations.Select(of).ToArray(), dtype: mean.dtype, device: mean.device);
        Tensor distance = (next - mean).square().flatten(1).mean([1]);
        return ((distance * Each(static deviation => -0.5 / (deviation * deviation))) - Each(static deviation => Math.Log(deviation) + (0.5 * Math.Log(2 * Math.PI))))
            .MoveToOuterDisposeScope();
    }

    private static void RequireSteps<T>(IReadOnlyList<T> each, Tensor batch)
    {
        if (each.Count == 0 || each.Count != batch.shape[0])
        {
            throw new ArgumentException($"Expected one step for each of the {batch.shape[0]} samples, got {each.Count}.", nameof(each));
        }
    }
}
