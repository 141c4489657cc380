using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Schedulers;

/// <summary>Weighted sums of tensors, of which the steps of samplers consist, and checks of their arguments.</summary>
internal static class LinearStep
{
    /// <summary>Sums weight * tensor. Terms of weight 0 are left out (0 times an infinite term would be NaN); at least one must be left.</summary>
    /// <param name="terms">Host-side weights and tensors of one shape; a null tensor is left out.</param>
    /// <returns>A fresh tensor.</returns>
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

    /// <summary>Checks that noise was passed to a step that adds it.</summary>
    /// <param name="weight">Weight of the noise in the step.</param>
    /// <param name="noise">The noise; null: none.</param>
    /// <param name="step">Index of the step, for the message.</param>
    /// <exception cref="ArgumentNullException">The step adds noise and none was passed.</exception>
    public static void RequireNoise(double weight, Tensor? noise, int step)
    {
        if (weight > 0 && noise is null)
        {
            throw new ArgumentNullException(nameof(noise), $"Step {step} of this sampler adds noise: pass a standard normal tensor of the sample's shape.");
        }
    }

    /// <summary>Checks the index of a step.</summary>
    /// <param name="step">Index of the step.</param>
    /// <param name="count">S.</param>
    /// <exception cref="ArgumentOutOfRangeException">The step is not in [0, S).</exception>
    public static void RequireStep(int step, int count)
    {
        if (step < 0 || step >= count)
        {
            throw new ArgumentOutOfRangeException(nameof(step), step, $"This run has the steps 0 to {count - 1}.");
        }
    }
}
