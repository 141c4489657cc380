using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Schedulers;

/// <summary>
/// One step of DDIM as weights (Song, Meng and Ermon 2020, arXiv 2010.02502, eq. 12 and 16): x = Alpha x_0 + Sigma noise now; x' = NextAlpha x_0 + Direction
/// noise + Deviation fresh noise.
/// </summary>
/// <param name="Alpha">sqrt(abar).</param>
/// <param name="Sigma">sqrt(1 - abar).</param>
/// <param name="NextAlpha">sqrt(abar) after the step.</param>
/// <param name="Direction">Weight of the predicted noise.</param>
/// <param name="Deviation">Standard deviation of the fresh noise; 0 = deterministic.</param>
internal readonly record struct DdimStep(double Alpha, double Sigma, double NextAlpha, double Direction, double Deviation)
{
    /// <summary>Whether every weight is finite.</summary>
    public bool IsFinite => double.IsFinite(Alpha) && double.IsFinite(Sigma) && double.IsFinite(NextAlpha) && double.IsFinite(Direction)
        && double.IsFinite(Deviation);

    /// <summary>Creates the step between two noise levels.</summary>
    /// <param name="a">abar before the step.</param>
    /// <param name="previous">abar after the step (of the previous training timestep).</param>
    /// <param name="eta">From 0 (deterministic) to 1 (DDPM).</param>
    public static DdimStep Between(double a, double previous, double eta)
    {
        // eq. 16; with abar 1 after the last step there is no noise left to add.
        double variance = (1 - previous) / (1 - a) * (1 - (a / previous));
        double deviation = eta * Math.Sqrt(Math.Max(variance, 0));
        return new DdimStep(Math.Sqrt(a), Math.Sqrt(1 - a), Math.Sqrt(previous), Math.Sqrt(Math.Max(1 - previous - (deviation * deviation), 0)), deviation);
    }

    /// <summary>d x' / d prediction where nothing is clipped.</summary>
    /// <param name="type">What the network predicts.</param>
    /// <param name="rederiveNoise">See <see cref="Apply"/>.</param>
    public double Sensitivity(PredictionType type, bool rederiveNoise)
    {
        double clean = type.CleanWeights(Alpha, Sigma).OfPrediction;
        double noise = rederiveNoise ? -Alpha / Sigma * clean : type.NoiseWeights(Alpha, Sigma).OfPrediction;
        return (NextAlpha * clean) + (Direction * noise);
    }

    /// <summary>Computes x' and the clean prediction; without noise x' is the mean of the step.</summary>
    /// <param name="type">What the network predicts.</param>
    /// <param name="clip">Bound of the absolute values of the clean prediction; null: not clipped.</param>
    /// <param name="rederiveNoise">Whether to derive the noise from the clipped clean sample (diffusers' use_clipped_model_output).</param>
    /// <param name="sample">x, any shape.</param>
    /// <param name="prediction">The network's (guided) output, shaped like the sample.</param>
    /// <param name="noise">Standard normal, shaped like the sample; null: none.</param>
    /// <returns>Fresh tensors that the caller owns.</returns>
    public SamplerStep Apply(PredictionType type, double? clip, bool rederiveNoise, Tensor sample, Tensor prediction, Tensor? noise)
    {
        using DisposeScope scope = NewDisposeScope();
        (double cleanX, double cleanM) = type.CleanWeights(Alpha, Sigma);
        (double noiseX, double noiseM) = rederiveNoise ? (1 / Sigma, 0) : type.NoiseWeights(Alpha, Sigma);
        Tensor clean = LinearStep.Combine((cleanX, sample), (cleanM, prediction));
        if (clip is { } range)
        {
            clean = clean.Clamp(-range, range);
        }

        // The direction is a sum of x, m and (where the noise is rederived) the clipped clean sample.
        double fromClean = NextAlpha - (rederiveNoise ? Direction * Alpha / Sigma : 0);
        Tensor next = LinearStep.Combine((fromClean, clean), (Direction * noiseX, sample), (Direction * noiseM, prediction), (Deviation, noise));
        return new SamplerStep(next.MoveToOuterDisposeScope(), clean.MoveToOuterDisposeScope());
    }
}
