namespace Microsoft.ML.VideoAlignment.MovingShapes.Training;

/// <summary>Optimiser and length of one training: AdamW, linear warm-up, then a cosine down to 2 % of the peak rate.</summary>
internal sealed record TrainingPlan
{
    public required int Steps { get; init; }

    public required double PeakRate { get; init; }

    public int WarmUp { get; init; } = 100;

    public double Beta2 { get; init; } = 0.99;

    public double WeightDecay { get; init; }

    /// <summary>Keep of the moving average at each step; 0: no average, the weights themselves are the result.</summary>
    public double AverageKeep { get; init; }

    public int SaveEvery { get; init; } = 250;

    public int LogEvery { get; init; } = 50;

    /// <summary>Rate at a step, 0-based.</summary>
    public double Rate(int step)
    {
        const double Floor = 0.02;
        if (step < WarmUp)
        {
            return PeakRate * (step + 1) / WarmUp;
        }

        double progress = (step - WarmUp) / (double)Math.Max(1, Steps - WarmUp);
        return PeakRate * (Floor + ((1 - Floor) * 0.5 * (1 + Math.Cos(Math.PI * Math.Min(1, progress)))));
    }
}
