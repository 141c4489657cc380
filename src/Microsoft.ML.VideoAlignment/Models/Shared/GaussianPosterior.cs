using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Models;

/// <summary>
/// The posterior of an image's latents: a mean and a log-variance for each number. Reference: diffusers, <c>DiagonalGaussianDistribution</c>.
/// </summary>
internal static class GaussianPosterior
{
    // Bounds of the log-variance; outside them its gradient is zero.
    private const double LeastLogVariance = -30, LargestLogVariance = 20;

    /// <summary>Splits an encoder's output into mean and log-variance (within [-30, 20]).</summary>
    /// <param name="moments">[N, 2 z, h, w], means before log-variances.</param>
    /// <returns>Two tensors [N, z, h, w].</returns>
    public static (Tensor Mean, Tensor LogVariance) Split(Tensor moments)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor[] halves = moments.chunk(2, dim: 1);
        return (halves[0].contiguous().MoveToOuterDisposeScope(), halves[1].Clamp(LeastLogVariance, LargestLogVariance).contiguous().MoveToOuterDisposeScope());
    }

    /// <summary>Samples the posterior: mean + exp(log-variance / 2) x noise.</summary>
    /// <param name="mean">[N, z, h, w].</param>
    /// <param name="logVariance">[N, z, h, w].</param>
    /// <param name="noise">Standard normal [N, z, h, w].</param>
    /// <returns>[N, z, h, w].</returns>
    public static Tensor Sample(Tensor mean, Tensor logVariance, Tensor noise)
    {
        using DisposeScope scope = NewDisposeScope();
        return mean.Add(logVariance.Div(2).exp() * noise).MoveToOuterDisposeScope();
    }
}
