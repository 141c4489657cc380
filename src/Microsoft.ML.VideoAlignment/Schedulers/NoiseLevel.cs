namespace Microsoft.ML.VideoAlignment.Schedulers;

/// <summary>The two weights of x = Alpha x_0 + Sigma noise at one point of a run.</summary>
/// <param name="Alpha">Weight of the clean sample, at least 0.</param>
/// <param name="Sigma">Weight of the noise, at least 0.</param>
internal readonly record struct NoiseLevel(double Alpha, double Sigma)
{
    /// <summary>Half the logarithm of the signal-to-noise ratio, log(alpha/sigma) (Lu et al. 2022, arXiv 2211.01095); infinite at sigma 0.</summary>
    public double Lambda => Math.Log(Alpha / Sigma);

    /// <summary>The level of unit variance, alpha^2 + sigma^2 = 1.</summary>
    /// <param name="ratio">sigma / alpha, at least 0.</param>
    public static NoiseLevel VariancePreserving(double ratio)
    {
        double alpha = 1 / Math.Sqrt((ratio * ratio) + 1);
        return new NoiseLevel(alpha, ratio * alpha);
    }

    /// <summary>The level on the straight path between clean sample and noise, alpha + sigma = 1.</summary>
    /// <param name="sigma">From 0 to 1.</param>
    public static NoiseLevel Flow(double sigma) => new(1 - sigma, sigma);
}
