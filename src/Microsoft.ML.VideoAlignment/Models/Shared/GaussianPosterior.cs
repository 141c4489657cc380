using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Models;

/// <summary>What an encoder says about latents: a mean and a log-variance for each number. Reference: diffusers, <c>DiagonalGaussianDistribution</c>.</summary>
internal static class GaussianPosterior
{
    /// <summary>Bounds of the log-variance; outside them its gradient is zero.</summary>
    private const double LeastLogVariance = -30, LargestLogVariance = 20;

    /// <summary>moments: [N, 2 z, h, w], means before log-variances -> mean and log-variance (within [-30, 20]), each [N, z, h, w].</summary>
    public static (Tensor Mean, Tensor LogVariance) Split(Tensor moments)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor[] halves = moments.chunk(2, dim: 1);
        return (halves[0].contiguous().MoveToOuterDisposeScope(), halves[1].Clamp(LeastLogVariance, LargestLogVariance).contiguous().MoveToOuterDisposeScope());
    }

    /// <summary>mean + exp(log-variance / 2) x noise. All tensors of one shape.</summary>
    public static Tensor Sample(Tensor mean, Tensor logVariance, Tensor noise)
    {
        using DisposeScope scope = NewDisposeScope();
        return mean.Add(logVariance.Div(2).exp() * noise).MoveToOuterDisposeScope();
    }
}
