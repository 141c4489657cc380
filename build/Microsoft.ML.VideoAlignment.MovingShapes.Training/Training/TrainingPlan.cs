namespace Microsoft.ML.VideoAlignment.MovingShapes.Training;

/// <summary>
/// Optimizers and length of one training: linear warm-up, then a cosine down to 2 % of the peak rate, or a level rate that falls to zero in the last steps.
/// </summary>
internal sealed record TrainingPlan
{
    public required int Steps { get; init; }

    public required double PeakRate { get; init; }

    public int WarmUp { get; init; } = 100;

    public double Beta2 { get; init; } = 0.99;

    public double WeightDecay { get; init; }

    /// <summary>Peak rate of <see cref="Muon"/> for larger matrices; 0: AdamW has them too.</summary>
    public double MatrixRate { get; init; }

    /// <summary>Weight decay of what <see cref="Muon"/> has.</summary>
    public double MatrixDecay { get; init; } = 0.05;

    /// <summary>How many of the last steps the rate falls in a straight line, after a level; null: a cosine all the way.</summary>
    public int? Fall { get; init; }

    /// <summary>Keep of the moving average at each step; 0: no average, the weights themselves are the result.</summary>
    public double AverageKeep { get; init; }

    public int SaveEvery { get; init; } = 250;

    public int LogEvery { get; init; } = 50;

    /// <summary>Share of the peak rates at a step.</summary>
    /// <param name="step">0 for the first.</param>
    public double Share(int step)
    {
        const double Floor = 0.02;
        if (step < WarmUp)
        {
            return (step + 1) / (double)WarmUp;
        }

        if (Fall is { } fall)
        {
            return Math.Clamp((Steps - step) / (double)fall, 0, 1);
        }

        double progress = (step - WarmUp) / (double)Math.Max(1, Steps - WarmUp);
        return Floor + ((1 - Floor) * 0.5 * (1 + Math.Cos(Math.PI * Math.Min(1, progress))));
    }
}
