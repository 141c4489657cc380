using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Schedulers;

/// <summary>
/// One step of DDIM as weights (Song, Meng and Ermon 2020, arXiv 2010.02502, eq. 12 and 16): x = Alpha x_0 + Sigma noise now;
/// x' = NextAlpha x_0 + Direction noise + Deviation fresh noise.
/// </summary>
internal readonly record struct DdimStep(double Alpha, double Sigma, double NextAlpha, double Direction, double Deviation)
{
    /// <summary>Whether every weight is a number.</summary>
    public bool IsFinite => double.IsFinite(Alpha) && double.IsFinite(Sigma) && double.IsFinite(NextAlpha) && double.IsFinite(Direction)
        && double.IsFinite(Deviation);

    /// <summary>From abar = <paramref name="a"/> to abar = <paramref name="previous"/>. <paramref name="eta"/>: 0 deterministic, 1 as DDPM.</summary>
    public static DdimStep Between(double a, double previous, double eta)
    {
        // eq. 16; at abar 1 behind the last step there is no noise left to add.
        double variance = (1 - previous) / (1 - a) * (1 - (a / previous));
        double deviation = eta * Math.Sqrt(Math.Max(variance, 0));
        return new DdimStep(Math.Sqrt(a), Math.Sqrt(1 - a), Math.Sqrt(previous), Math.Sqrt(Math.Max(1 - previous - (deviation * deviation), 0)), deviation);
    }

    /// <summary>d x' / d prediction where nothing is clipped. <paramref name="rederiveNoise"/>: as <see cref="Apply"/>.</summary>
    public double Sensitivity(PredictionType type, bool rederiveNoise)
    {
        double clean = type.Clean(Alpha, Sigma).OfPrediction;
        double noise = rederiveNoise ? -Alpha / Sigma * clean : type.Noise(Alpha, Sigma).OfPrediction;
        return (NextAlpha * clean) + (Direction * noise);
    }

    /// <summary>x' and the clean prediction; without <paramref name="noise"/> x' is the mean of the step. The caller owns both.</summary>
    /// <param name="type">What the network says.</param>
    /// <param name="clip">The clean prediction is held within plus and minus this; null: it is not.</param>
    /// <param name="rederiveNoise">Whether the noise is derived anew from the clipped clean sample (diffusers' use_clipped_model_output).</param>
    /// <param name="sample">x.</param>
    /// <param name="prediction">The network's (guided) output.</param>
    /// <param name="noise">Standard normal, or null.</param>
    public SamplerStep Apply(PredictionType type, double? clip, bool rederiveNoise, Tensor sample, Tensor prediction, Tensor? noise)
    {
        using DisposeScope scope = NewDisposeScope();
        (double cleanX, double cleanM) = type.Clean(Alpha, Sigma);
        (double noiseX, double noiseM) = rederiveNoise ? (1 / Sigma, 0) : type.Noise(Alpha, Sigma);
        Tensor clean = LinearStep.Combine((cleanX, sample), (cleanM, prediction));
        if (clip is { } range)
        {
            clean = clean.Clamp(-range, range);
        }

        // The direction is a sum of x, m and (where the noise is derived anew) the clipped clean sample.
        double fromClean = NextAlpha - (rederiveNoise ? Direction * Alpha / Sigma : 0);
        Tensor next = LinearStep.Combine((fromClean, clean), (Direction * noiseX, sample), (Direction * noiseM, prediction), (Deviation, noise));
        return new SamplerStep(next.MoveToOuterDisposeScope(), clean.MoveToOuterDisposeScope());
    }
}
