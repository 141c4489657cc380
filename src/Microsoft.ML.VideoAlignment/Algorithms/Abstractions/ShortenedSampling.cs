using Microsoft.ML.VideoAlignment.Sampling;

namespace Microsoft.ML.VideoAlignment.Algorithms;

/// <summary>Shortens sampling for runs on shapes, whose steps without gradient are all alike.</summary>
internal static class ShortenedSampling
{
    /// <summary>Takes the fewest denoising steps that the model's sampler can take, and not fewer than asked for: lvdm's DDIM refuses some numbers.</summary>
    /// <param name="model">The model.</param>
    /// <param name="sampling">The run's settings.</param>
    /// <param name="steps">The fewest denoising steps, at least 1.</param>
    /// <returns>The shortened settings; those of the run where no smaller number is taken.</returns>
    public static SamplingSettings Create(VideoDiffusionModel model, SamplingSettings sampling, int steps)
    {
        for (int count = steps; count < sampling.Steps; count++)
        {
            SamplingSettings few = sampling with { Steps = count, Sigmas = null };
            if (CanSample(model, few))
            {
                return few;
            }
        }

        return sampling;
    }

    private static bool CanSample(VideoDiffusionModel model, SamplingSettings sampling)
    {
        try
        {
            model.CreateSampler(sampling);
            return true;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }
}
