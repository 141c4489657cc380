using System.Globalization;
using System.Text;

namespace Microsoft.ML.VideoAlignment;

/// <summary>One thing that was compared.</summary>
/// <param name="Name">A direction ("all adapters 1", "layer ..."), or what must be equal.</param>
/// <param name="Analytic">The directional derivative by back-propagation; of a comparison of two gradients the norm of the first.</param>
/// <param name="Numeric">The difference quotient; of a comparison of two gradients the norm of the second.</param>
/// <param name="Error">The relative difference.</param>
/// <param name="Tolerance">The largest error that passes; 0: bit for bit.</param>
/// <param name="Note">What there is to say beside; empty: nothing.</param>
public sealed record GradientCheckRow(string Name, double Analytic, double Numeric, double Error, double Tolerance, string Note)
{
    /// <summary>Whether the error is within the tolerance. What is not a number is not.</summary>
    public bool Passed => Error <= Tolerance;

    /// <summary>
    /// Whether the loss has a kink (a clamp, an absolute value, a choice) within reach of the smallest step, so that no quotient tells its slope: look from another
    /// point (<see cref="GradientCheckOptions.Seed"/>).
    /// </summary>
    public bool NearKink { get; init; }
}

/// <summary>What <see cref="GradientCheck"/> found.</summary>
/// <param name="Loss">The loss of the batch that was looked at.</param>
/// <param name="GradientNorm">Of its gradient over all adapters.</param>
/// <param name="Rows">Everything that was compared.</param>
public sealed record GradientCheckReport(double Loss, double GradientNorm, IReadOnlyList<GradientCheckRow> Rows)
{
    /// <summary>Whether every row passed.</summary>
    public bool Passed => Rows.All(row => row.Passed);

    /// <summary>The largest error of a difference quotient.</summary>
    public double LargestError => Rows.Where(row => row.Tolerance > 0).Select(row => row.Error).DefaultIfEmpty().Max();

    /// <summary>Does nothing where every row passed.</summary>
    /// <exception cref="GradientCheckException">With the table in its message.</exception>
    public void ThrowIfFailed()
    {
        if (!Passed)
        {
            throw new GradientCheckException(this);
        }
    }

    /// <summary>The table as text, a row a line.</summary>
    public override string ToString()
    {
        int width = Rows.Select(row => row.Name.Length).DefaultIfEmpty().Max();
        var text = new StringBuilder();
        foreach (GradientCheckRow row in Rows)
        {
            text.AppendLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{(row.Passed ? "ok  " : "FAIL")} {row.Name.PadRight(width)}  {row.Analytic,14:e6}  {row.Numeric,14:e6}  error {row.Error,8:e1} of {row.Tolerance:e0}{(row.Note.Length > 0 ? $"  ({row.Note})" : "")}"));
        }

        return text.ToString();
    }
}

/// <summary>A gradient is not the derivative of its loss.</summary>
public sealed class GradientCheckException : Exception
{
    /// <summary>Says which rows failed.</summary>
    /// <param name="report">What was found.</param>
    public GradientCheckException(GradientCheckReport report)
        : base($"{report?.Rows.Count(row => !row.Passed)} of {report?.Rows.Count} comparisons failed: the gradient is not the derivative of the loss.\n{report}") => Report = report!;

    /// <summary>Everything that was compared.</summary>
    public GradientCheckReport Report { get; }
}
