namespace Microsoft.ML.VideoAlignment.Paper;

/// <summary>The exact confidence interval of a share (Clopper and Pearson 1934, Biometrika 26): no normal approximation, never narrower than it says.</summary>
internal static class Binomial
{
    /// <summary>
    /// The shares p that <paramref name="wins"/> of <paramref name="count"/> do not speak against, each tail with half of what the confidence leaves.
    /// </summary>
    public static (double Low, double High) Interval(int wins, int count, double confidence = 0.95)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(wins);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(wins, count);
        double tail = (1 - confidence) / 2;
        double low = wins == 0 ? 0 : Solve(share => 1 - AtMost(wins - 1, count, share), tail);
        double high = wins == count ? 1 : Solve(share => 1 - AtMost(wins, count, share), 1 - tail);
        return (low, high);
    }

    /// <summary>P(X &lt;= wins) of a binomial X.</summary>
    internal static double AtMost(int wins, int count, double share)
    {
        (double sum, double logChoose) = (0, 0);
        for (int k = 0; k <= wins; k++)
        {
            sum += Math.Exp(logChoose + (k * Math.Log(share)) + ((count - k) * Math.Log(1 - share)));
            logChoose += Math.Log(count - k) - Math.Log(k + 1);
        }

        return Math.Min(1, sum);
    }

    /// <summary>Where a rising function of the share takes the value, by halving.</summary>
    private static double Solve(Func<double, double> rising, double value)
    {
        (double low, double high) = (0, 1);
        for (int i = 0; i < 60; i++)
        {
            double middle = (low + high) / 2;
            (low, high) = rising(middle) < value ? (middle, high) : (low, middle);
        }

        return (low + high) / 2;
    }
}
