using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Schedulers;

/// <summary>A sum of tensors with host-side weights, which is what a sampler's step is.</summary>
internal static class LinearStep
{
    /// <summary>sum of weight * tensor: a fresh tensor. Terms of weight 0 are left out (0 times an infinite term would be NaN); at least one must be left.</summary>
    public static Tensor Combine(params ReadOnlySpan<(double Weight, Tensor? Term)> terms)
    {
        Tensor? sum = null;
        foreach ((double weight, Tensor? term) in terms)
        {
            if (weight == 0 || term is null)
            {
                continue;
            }

            Tensor scaled = term.Mul(weight);
            if (sum is null)
            {
                sum = scaled;
                continue;
            }

            Tensor total = sum.Add(scaled);
            sum.Dispose();
            scaled.Dispose();
            sum = total;
        }

        return sum ?? throw new ArgumentException("No term has a weight.", nameof(terms));
    }

    /// <exception cref="ArgumentNullException">The step adds noise and none was passed.</exception>
    public static void RequireNoise(double weight, Tensor? noise, int step)
    {
        if (weight > 0 && noise is null)
        {
            throw new ArgumentNullException(nameof(noise), $"Step {step} of this sampler adds noise: pass a standard normal tensor of the sample's shape.");
        }
    }

    /// <exception cref="ArgumentOutOfRangeException">The step is not one of this run.</exception>
    public static void RequireStep(int step, int count)
    {
        if (step < 0 || step >= count)
        {
            throw new ArgumentOutOfRangeException(nameof(step), step, $"This run has the steps 0 to {count - 1}.");
        }
    }
}
