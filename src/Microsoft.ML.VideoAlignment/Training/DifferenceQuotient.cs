namespace Microsoft.ML.VideoAlignment.Training;

/// <summary>
/// The derivative of a function at 0 by central differences over a step and half of it, extrapolated (Richardson). Where the two disagree by more than a smooth
/// function's would, a kink (a clamp, an absolute value, a choice) lies between: smaller steps are then tried, and the one whose quotients agree best is taken.
/// What is compared with it plays no part in that choice.
/// </summary>
/// <param name="Value">The derivative.</param>
/// <param name="Disagreement">Between the quotients over the step and over half of it; far above the value's own error for a smooth function.</param>
internal readonly record struct DifferenceQuotient(double Value, double Disagreement)
{
    private const int Steps = 3;
    private const double Shrink = 10;

    /// <param name="function">Of a step.</param>
    /// <param name="step">The largest step.</param>
    /// <param name="enough">A disagreement that is small enough.</param>
    public static DifferenceQuotient Of(Func<double, double> function, double step, Func<double, double> enough)
    {
        DifferenceQuotient? best = null;
        for (int attempt = 0; attempt < Steps; attempt++, step /= Shrink)
        {
            double coarse = (function(step) - function(-step)) / (2 * step);
            double fine = (function(step / 2) - function(-step / 2)) / step;
            var quotient = new DifferenceQuotient(fine + ((fine - coarse) / 3), Math.Abs(fine - coarse));
            if (best is null || quotient.Disagreement < best.Value.Disagreement)
            {
                best = quotient;
            }

            if (quotient.Disagreement <= enough(quotient.Value))
            {
                break;
            }
        }

        return best!.Value;
    }
}
