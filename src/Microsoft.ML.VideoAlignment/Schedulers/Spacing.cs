
namespace Microsoft.ML.VideoAlignment.Schedulers;

/// <summary>
/// The training timesteps, or the sigmas, that the S steps of a run visit (Lin et al. 2023, arXiv 2305.08891, table 2; Karras et al. 2022, arXiv 2206.00364).
/// </summary>
internal static class Spacing
{
    /// <summary>numpy's linspace: both ends included; a single value is the start.</summary>
    /// <param name="start">The first value.</param>
    /// <param name="end">The last value.</param>
    /// <param name="count">Number of values.</param>
    public static double[] Linspace(double start, double end, int count)
    {
        var values = new double[count];
        double step = count > 1 ? (end - start) / (count - 1) : 0;
        for (int i = 0; i < count; i++)
        {
            values[i] = (i * step) + start;
        }

        if (count > 1)
        {
            values[^1] = end;
        }

        return values;
    }

    /// <summary>"leading": (count-1..0) * stride + offset.</summary>
    /// <param name="count">Number of values.</param>
    /// <param name="stride">Training timesteps between neighbors.</param>
    /// <param name="offset">The last value (steps_offset).</param>
    public static double[] Leading(int count, int stride, int offset) =>
        [.. Enumerable.Range(0, count).Reverse().Select(i => ((double)i * stride) + offset)];

    /// <summary>
    /// "trailing": round(last - i * trainSteps/count) - 1, down to the last positive one. There are fewer than count values where last is below trainSteps.
    /// </summary>
    /// <param name="count">Number of values.</param>
    /// <param name="trainSteps">Length of the training schedule.</param>
    /// <param name="last">Where the values start, at most <paramref name="trainSteps"/>.</param>
    public static double[] Trailing(int count, int trainSteps, int last)
    {
        double stride = trainSteps / (double)count;
        int length = last == trainSteps ? count : (int)Math.Ceiling(last / stride);
        return [.. Enumerable.Range(0, length).Select(i => Math.Round(last - (i * stride), MidpointRounding.ToEven) - 1)];
    }

    /// <summary>Karras et al. 2022, eq. 5 with rho = 7: sigmas, descending.</summary>
    /// <param name="min">The last sigma.</param>
    /// <param name="max">The first sigma.</param>
    /// <param name="count">Number of values.</param>
    public static double[] Karras(double min, double max, int count)
    {
        const double Rho = 7;
        (double low, double high) = (Math.Pow(min, 1 / Rho), Math.Pow(max, 1 / Rho));
        return [.. Linspace(0, 1, count).Select(part => Math.Pow(high + (part * (low - high)), Rho))];
    }

    /// <summary>Interpolates a table linearly at a fractional position, clamped to its ends.</summary>
    /// <param name="table">At least one value.</param>
    /// <param name="position">Index into the table, not necessarily whole.</param>
    public static double Interpolate(ReadOnlySpan<double> table, double position)
    {
        if (position <= 0)
        {
            return table[0];
        }

        if (position >= table.Length - 1)
        {
            return table[^1];
        }

        int low = (int)position;
        double part = position - low;
        return part == 0 ? table[low] : table[low] + ((table[low + 1] - table[low]) * part);
    }

    /// <summary>Finds the fractional position of a sigma in a table, linearly in log sigma, clamped to the ends: the inverse of the table.</summary>
    /// <param name="sigmas">At least two sigmas, ascending.</param>
    /// <param name="sigma">The sigma to find.</param>
    public static double PositionOf(ReadOnlySpan<double> sigmas, double sigma)
    {
        double logSigma = Math.Log(Math.Max(sigma, 1e-10));
        int low = 0;
        while (low < sigmas.Length - 2 && Math.Log(sigmas[low + 1]) <= logSigma)
        {
            low++;
        }

        (double below, double above) = (Math.Log(sigmas[low]), Math.Log(sigmas[low + 1]));
        return low + Math.Clamp((logSigma - below) / (above - below), 0, 1);
    }

    /// <summary>Checks the number of steps of a run.</summary>
    /// <param name="steps">S.</param>
    /// <param name="trainSteps">Length of the training schedule.</param>
    /// <param name="owner">The name of the scheduler, for the message.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is less than one step, or more than the training schedule has.</exception>
    public static void RequireSteps(int steps, int trainSteps, string owner)
    {
        if (steps < 1 || steps > trainSteps)
        {
            throw new ArgumentOutOfRangeException(
                nameof(steps), steps, $"{owner}: the number of steps must lie between 1 and the {trainSteps} training timesteps.");
        }
    }
}
