namespace Microsoft.ML.VideoAlignment.Algorithms.RewardGradient;

/// <summary>
/// The derivative of a function at 0 by central differences over a step and half of it, extrapolated (Richardson).
/// </summary>
/// <remarks>
/// Where the two quotients disagree by more than a smooth function's would, a kink (a clamp, an absolute value, a choice) is between: smaller steps are then
/// tried, and the one whose quotients agree best is taken. A kink at 0 itself, where both would agree on the mean of the slopes, shows in the slopes'
/// difference, which does not halve with the step. The gradient that is compared with the quotient plays no part in that choice.
/// </remarks>
/// <param name="Value">The derivative.</param>
/// <param name="Disagreement">
/// The disagreement of the quotients, or of the slopes to both sides; far above the value's own error for a smooth function.
/// </param>
internal readonly record struct DifferenceQuotient(double Value, double Disagreement)
{
    private const int Steps = 3;
    private const double Shrink = 10;

    /// <summary>Computes the derivative over as small a step as its kinks require.</summary>
    /// <param name="function">The function of the distance from 0.</param>
    /// <param name="atZero">The function at 0.</param>
    /// <param name="step">The largest step, above 0.</param>
    /// <param name="tolerance">Gives for a derivative the disagreement that is small enough.</param>
    public static DifferenceQuotient Search(Func<double, double> function, double atZero, double step, Func<double, double> tolerance)
    {
        DifferenceQuotient? best = null;
        for (int attempt = 0; attempt < Steps; attempt++, step /= Shrink)
        {
            (double coarse, double coarseBend) = Over(step);
            (double fine, double fineBend) = Over(step / 2);
            var quotient = new DifferenceQuotient(fine + ((fine - coarse) / 3), Math.Max(Math.Abs(fine - coarse), Math.Abs((2 * fineBend) - coarseBend)));
            if (best is null || quotient.Disagreement < best.Value.Disagreement)
            {
                best = quotient;
            }

            if (quotient.Disagreement <= tolerance(quotient.Value))
            {
                break;
            }
        }

        return best!.Value;

        // The slope, and how much more it is to the right than to the left.
        (double Slope, double Bend) Over(double by)
        {
            (double right, double left) = (function(by), function(-by));
            return ((right - left) / (2 * by), (right - atZero - (atZero - left)) / by);
        }
    }
}
