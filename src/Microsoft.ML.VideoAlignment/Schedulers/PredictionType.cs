namespace Microsoft.ML.VideoAlignment.Schedulers;

/// <summary>What a network predicts of x = alpha x_0 + sigma noise.</summary>
internal enum PredictionType
{
    /// <summary>The noise.</summary>
    Epsilon,

    /// <summary>The clean sample x_0.</summary>
    Sample,

    /// <summary>The velocity alpha noise - sigma x_0 (Salimans and Ho 2022, arXiv 2202.00512, section 4).</summary>
    Velocity,

    /// <summary>The velocity of the straight path, noise - x_0 (Liu et al. 2022, arXiv 2209.03003).</summary>
    Flow,
}

/// <summary>The clean sample and the noise as linear functions of x and the network's output.</summary>
internal static class PredictionTypes
{
    public static PredictionType FromConfig(SchedulerConfig config) =>
        config.GetChoice("prediction_type", "epsilon", "epsilon", "sample", "v_prediction") switch
        {
            "epsilon" => PredictionType.Epsilon,
            "sample" => PredictionType.Sample,
            _ => PredictionType.Velocity,
        };

    /// <summary>Weights of the clean sample: x_0 = OfSample * x + OfPrediction * output.</summary>
    /// <param name="type">What the network predicts.</param>
    /// <param name="alpha">Weight of x_0 in x.</param>
    /// <param name="sigma">Weight of the noise in x.</param>
    public static (double OfSample, double OfPrediction) CleanWeights(this PredictionType type, double alpha, double sigma) => type switch
    {
        PredictionType.Epsilon => (1 / alpha, -sigma / alpha),
        PredictionType.Sample => (0, 1),
        PredictionType.Flow => (1 / (alpha + sigma), -sigma / (alpha + sigma)),
        _ => (alpha, -sigma),
    };

    /// <summary>Weights of the noise: noise = OfSample * x + OfPrediction * output.</summary>
    /// <param name="type">What the network predicts.</param>
    /// <param name="alpha">Weight of x_0 in x.</param>
    /// <param name="sigma">Weight of the noise in x.</param>
    public static (double OfSample, double OfPrediction) NoiseWeights(this PredictionType type, double alpha, double sigma) => type switch
    {
        PredictionType.Epsilon => (0, 1),
        PredictionType.Sample => (1 / sigma, -alpha / sigma),
        PredictionType.Flow => (1 / (alpha + sigma), alpha / (alpha + sigma)),
        _ => (sigma, alpha),
    };
}
