using System.Globalization;

namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>Mean, spread and bounds of numbers that come one at a time (Welford 1962).</summary>
internal sealed class RunningMoments
{
    private double _squares;

    public long Count { get; private set; }

    public double Mean { get; private set; }

    public double Minimum { get; private set; } = double.PositiveInfinity;

    public double Maximum { get; private set; } = double.NegativeInfinity;

    /// <summary>Over n - 1; 0 for one number.</summary>
    public double StandardDeviation => Count > 1 ? Math.Sqrt(_squares / (Count - 1)) : 0;

    /// <summary>Half the width of the 95 % confidence interval of the mean.</summary>
    public double ConfidenceHalfWidth => Count > 1 ? StudentQuantile(Count - 1) * StandardDeviation / Math.Sqrt(Count) : double.PositiveInfinity;

    /// <summary>Adds every finite value of a tensor; the caller refuses what is not finite. No graph is touched.</summary>
    /// <param name="values">Any shape.</param>
    public void Add(Tensor values)
    {
        using DisposeScope scope = NewDisposeScope();
        foreach (double value in HostRead.Numbers<double>(values.detach().to_type(ScalarType.Float64)).Where(double.IsFinite))
        {
            Add(value);
        }
    }

    /// <summary>Forgets all numbers.</summary>
    public void Clear()
    {
        (Count, Mean, _squares) = (0, 0, 0);
        (Minimum, Maximum) = (double.PositiveInfinity, double.NegativeInfinity);
    }

    /// <summary>Count, mean and sum of squared distances, to the last bit; bounds are not kept.</summary>
    public string ToText() => string.Create(CultureInfo.InvariantCulture, $"{Count} {Mean:R} {_squares:R}");

    /// <summary>Reads what <see cref="ToText"/> wrote.</summary>
    /// <param name="text">The text.</param>
    /// <exception cref="FormatException">The text is not from <see cref="ToText"/>.</exception>
    public static RunningMoments Parse(string text)
    {
        string[] numbers = text.Split(' ');
        return numbers.Length == 3
            && long.TryParse(numbers[0], NumberStyles.None, CultureInfo.InvariantCulture, out long count)
            && double.TryParse(numbers[1], NumberStyles.Float, CultureInfo.InvariantCulture, out double mean)
            && double.TryParse(numbers[2], NumberStyles.Float, CultureInfo.InvariantCulture, out double squares)
            ? new RunningMoments { Count = count, Mean = mean, _squares = squares }
            : throw new FormatException($"'{text}' is not a count, mean and sum of squares.");
    }

    public void Add(double value)
    {
        Count++;
        double difference = value - Mean;
        Mean += difference / Count;
        _squares += difference * (value - Mean);
        Minimum = Math.Min(Minimum, value);
        Maximum = Math.Max(Maximum, value);
    }

    /// <summary>The 97.5 % quantile of Student's t distribution.</summary>
    /// <param name="degrees">Degrees of freedom, at least 1.</param>
    /// <remarks>
    /// Exact for 1 and 2 degrees of freedom, else the expansion of Abramowitz and Stegun 26.7.5 around the normal quantile, right to 0.02 at 3 degrees and to
    /// 1e-4 from 7 on.
    /// </remarks>
    internal static double StudentQuantile(long degrees)
    {
        const double Z = 1.959963984540054;
        double n = degrees;
        (double z3, double z5, double z7, double z9) = (Math.Pow(Z, 3), Math.Pow(Z, 5), Math.Pow(Z, 7), Math.Pow(Z, 9));
        return degrees switch
        {
            1 => 12.706204736432095,
            2 => 4.302652729911275,
            _ => Z
                + ((z3 + Z) / (4 * n))
                + (((5 * z5) + (16 * z3) + (3 * Z)) / (96 * n * n))
                + (((3 * z7) + (19 * z5) + (17 * z3) - (15 * Z)) / (384 * n * n * n))
                + (((79 * z9) + (776 * z7) + (1482 * z5) - (1920 * z3) - (945 * Z)) / (92160 * n * n * n * n)),
        };
    }
}
