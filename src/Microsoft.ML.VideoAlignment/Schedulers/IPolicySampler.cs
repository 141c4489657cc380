namespace Microsoft.ML.VideoAlignment.Schedulers;

/// <summary>
/// A sampler whose every step draws from a Gaussian, x_{i+1} ~ N(mean(x_i, prediction), deviation_i^2): the policy whose actions are denoising steps
/// (Black et al. 2023, DDPO, arXiv 2305.13301, section 4.2). It neither remembers earlier steps nor scales the network's input.
/// </summary>
internal interface IPolicySampler : ISampler
{
    /// <summary>Standard deviation of step <paramref name="step"/>, above 0.</summary>
    double Deviation(int step);

    /// <summary>The mean of step <paramref name="step"/>: a fresh tensor, differentiable in both arguments.</summary>
    Tensor Mean(int step, Tensor sample, Tensor prediction);
}

/// <summary>A scheduler whose latents are sqrt(abar) x_0 + sqrt(1 - abar) noise, so that it has policies and a forward process.</summary>
internal interface IPolicyScheduler : IScheduler
{
    /// <summary>What its networks say.</summary>
    PredictionType Prediction { get; }

    /// <summary>How a clean sample is noised.</summary>
    ForwardProcess Forward { get; }

    /// <summary>
    /// The policy of a run. Where the scheduler's own timesteps end at 0, at which no noise is left to draw, they are all one later (steps_offset 1, which
    /// Stable Diffusion's files have).
    /// </summary>
    /// <exception cref="ArgumentException">A step would be deterministic: eta 0, or timesteps that end at 0 and cannot be moved.</exception>
    IPolicySampler CreatePolicy(int steps, double eta);
}
