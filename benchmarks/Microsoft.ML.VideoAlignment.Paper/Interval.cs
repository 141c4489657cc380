using System.Globalization;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Paper;

/// <summary>A mean with half the width of its 95 % confidence interval (Student's t); infinitely wide for one number.</summary>
internal readonly record struct Interval(double Mean, double HalfWidth)
{
    public double Low => Mean - HalfWidth;

    public double High => Mean + HalfWidth;

    /// <summary>The numbers are one for each seed: what varies is everything that a seed decides.</summary>
    public static Interval Of(IEnumerable<double> values)
    {
        var moments = new RunningMoments();
        foreach (double value in values)
        {
            moments.Add(value);
        }

        return moments.Count > 0 ? new Interval(moments.Mean, moments.ConfidenceHalfWidth)
            : throw new ArgumentException("An interval needs at least one number.", nameof(values));
    }

    public bool Overlaps(Interval other) => Low <= other.High && other.Low <= High;

    public override string ToString() => ToString(2);

    /// <summary>Such as "5.01 ± 0.20".</summary>
    public string ToString(int digits)
    {
        string format = "F" + digits.ToString(CultureInfo.InvariantCulture);
        string mean = Mean.ToString(format, CultureInfo.InvariantCulture);
        return double.IsFinite(HalfWidth) ? $"{mean} ± {HalfWidth.ToString(format, CultureInfo.InvariantCulture)}" : mean;
    }
}
