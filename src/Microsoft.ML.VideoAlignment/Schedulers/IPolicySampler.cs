namespace Microsoft.ML.VideoAlignment.Schedulers;

/// <summary>
/// A sampler whose every step draws from a Gaussian, x_{i+1} ~ N(mean(x_i, prediction), deviation_i^2): the policy whose actions are denoising steps (Black et
/// al. 2023, DDPO, arXiv 2305.13301, section 4.2). It neither remembers earlier steps nor scales the network's input.
/// </summary>
internal interface IPolicySampler : ISampler
{
    /// <summary>Standard deviation of a step, above 0.</summary>
    /// <param name="step">Index of the step; 0 = noisiest.</param>
    double Deviation(int step);

    /// <summary>Mean of a step, differentiable in both tensors.</summary>
    /// <param name="step">Index of the step; 0 = noisiest.</param>
    /// <param name="sample">x_i [B, ...].</param>
    /// <param name="prediction">The network's (guided) output [B, ...].</param>
    /// <returns>A fresh tensor [B, ...].</returns>
    Tensor Mean(int step, Tensor sample, Tensor prediction);
}

/// <summary>A scheduler whose latents are sqrt(abar) x_0 + sqrt(1 - abar) noise, so that it has policies and a forward process.</summary>
internal interface IPolicyScheduler : IScheduler
{
    /// <summary>What its networks predict.</summary>
    PredictionType Prediction { get; }

    /// <summary>The process that noises clean samples.</summary>
    ForwardProcess Forward { get; }

    /// <summary>
    /// Creates the policy of a run. Where the scheduler's own timesteps end at 0, at which no noise is left to draw, they all move up by one (steps_offset 1,
    /// as in Stable Diffusion's files).
    /// </summary>
    /// <param name="steps">S, between 1 and <see cref="IScheduler.TrainTimesteps"/>.</param>
    /// <param name="eta">Above 0, at most 1 (the variance of DDPM).</param>
    /// <exception cref="ArgumentException">A step would be deterministic: eta 0, or timesteps that end at 0 and cannot be moved.</exception>
    IPolicySampler CreatePolicy(int steps, double eta);
}
