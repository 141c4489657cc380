using System.Globalization;
using System.Text;

namespace Microsoft.ML.VideoAlignment;

/// <summary>One comparison of a gradient check.</summary>
/// <param name="Name">A direction ("all adapters 1", "layer ..."), or what must be equal.</param>
/// <param name="Analytic">The directional derivative by back-propagation; where two gradients are compared the norm of the first.</param>
/// <param name="Numeric">The difference quotient; where two gradients are compared the norm of the second.</param>
/// <param name="Error">The relative difference.</param>
/// <param name="Tolerance">The largest error that passes; 0: bit for bit.</param>
/// <param name="Note">A note for the reader; empty: none.</param>
public sealed record GradientCheckRow(string Name, double Analytic, double Numeric, double Error, double Tolerance, string Note)
{
    /// <summary>Whether the error is within the tolerance; NaN never is.</summary>
    public bool Passed => Error <= Tolerance;

    /// <summary>
    /// Whether the loss has a kink (a clamp, an absolute value, a choice) within reach of the smallest step, so that no quotient gives its slope. Compare at
    /// another point then (<see cref="GradientCheckOptions.Seed"/>).
    /// </summary>
    public bool NearKink { get; init; }
}

/// <summary>The result of <see cref="GradientCheck"/>.</summary>
/// <param name="Loss">The loss of the batch.</param>
/// <param name="GradientNorm">L2 norm of its gradient over all adapters.</param>
/// <param name="Rows">All comparisons.</param>
public sealed record GradientCheckReport(double Loss, double GradientNorm, IReadOnlyList<GradientCheckRow> Rows)
{
    /// <summary>Whether every row passed.</summary>
    public bool Passed => Rows.All(row => row.Passed);

    /// <summary>The largest error of a difference quotient.</summary>
    public double LargestError => Rows.Where(row => row.Tolerance > 0).Select(row => row.Error).DefaultIfEmpty().Max();

    /// <summary>Throws unless every row passed.</summary>
    /// <exception cref="GradientCheckException">A row failed; the message has the table.</exception>
    public void ThrowIfFailed()
    {
        if (!Passed)
        {
            throw new GradientCheckException(this);
        }
    }

    /// <summary>Formats the table, one row per line.</summary>
    public override string ToString()
    {
        int width = Rows.Select(row => row.Name.Length).DefaultIfEmpty().Max();
        var text = new StringBuilder();
        foreach (GradientCheckRow row in Rows)
        {
            string note = row.Note.Length > 0 ? $"  ({row.Note})" : "";
            text.Append(CultureInfo.InvariantCulture, $"{(row.Passed ? "ok  " : "FAIL")} {row.Name.PadRight(width)}  {row.Analytic,14:e6}  ");
            text.AppendLine(CultureInfo.InvariantCulture, $"{row.Numeric,14:e6}  error {row.Error,8:e1} of {row.Tolerance:e0}{note}");
        }

        return text.ToString();
    }
}

/// <summary>A gradient is not the derivative of its loss.</summary>
public sealed class GradientCheckException : Exception
{
    /// <summary>Makes the message from the rows that failed.</summary>
    /// <param name="report">The report.</param>
    public GradientCheckException(GradientCheckReport report)
        : base($"{report?.Rows.Count(row => !row.Passed)} of {report?.Rows.Count} comparisons failed: "
            + $"the gradient is not the derivative of the loss.\n{report}") =>
        Report = report!;

    /// <summary>The report.</summary>
    public GradientCheckReport Report { get; }
}
