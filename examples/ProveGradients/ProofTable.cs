using System.Globalization;
using Microsoft.ML.VideoAlignment;
using Spectre.Console;

namespace ProveGradients;

/// <summary>The results: a line for each case as it comes, and a table by axis and value at the end.</summary>
/// <param name="cases">How many cases there will be.</param>
internal sealed class ProofTable(int cases)
{
    private readonly List<(ProofCase Case, GradientCheckReport Report)> _rows = [];
    private int _invariantsPassed;
    private int _invariantsFailed;

    /// <summary>Cases and invariants that passed.</summary>
    public int PassedCount => _rows.Count(row => row.Report.Passed) + _invariantsPassed;

    /// <summary>Cases and invariants that failed.</summary>
    public int FailedCount => _rows.Count(row => !row.Report.Passed) + _invariantsFailed;

    /// <summary>The largest relative error of any case; 0 without cases.</summary>
    public double LargestError => _rows.Select(row => row.Report.LargestError).DefaultIfEmpty().Max();

    /// <summary>Adds a case and prints its line.</summary>
    /// <param name="proof">The case.</param>
    /// <param name="report">Its check.</param>
    /// <param name="point">Which of the points that were tried it is, from 1.</param>
    /// <param name="everyRow">Whether the check's rows are printed even if it passed.</param>
    public void Add(ProofCase proof, GradientCheckReport report, int point, bool everyRow)
    {
        _rows.Add((proof, report));
        string kink = point > 1 ? $", at point {point} (a kink before)" : "";
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{_rows.Count,4}/{cases} {(report.Passed ? "ok  " : "FAIL")} error {report.LargestError:0.0e+00}, norm {report.GradientNorm:0.0e+00}: "
                + $"{proof}{kink}"));
        if (everyRow || !report.Passed)
        {
            Console.Write(report);
        }
    }

    /// <summary>Adds what must be equal of a family and prints it.</summary>
    /// <param name="family">The family's value on the axis.</param>
    /// <param name="report">The check.</param>
    public void AddInvariants(string family, GradientCheckReport report)
    {
        Console.WriteLine($"what must be equal, {family}");
        Console.Write(report);
        _invariantsPassed += report.Passed ? 1 : 0;
        _invariantsFailed += report.Passed ? 0 : 1;
    }

    /// <summary>Prints, for each value of each axis, cases, failures and the largest error.</summary>
    public void Print()
    {
        var table = new Table().AddColumns("axis", "value", "cases", "failed", "largest relative error");
        foreach (Axis axis in ProofCase.Axes)
        {
            foreach (string value in axis.Values)
            {
                (ProofCase Case, GradientCheckReport Report)[] with = [.. _rows.Where(row => row.Case[axis.Name] == value)];
                table.AddRow(
                    axis.Name, value, $"{with.Length}", $"{with.Count(row => !row.Report.Passed)}",
                    with.Length == 0 ? "" : with.Max(row => row.Report.LargestError).ToString("0.0e+00", CultureInfo.InvariantCulture));
            }
        }

        AnsiConsole.Write(table);
    }

    /// <summary>Writes the cases as tab-separated text.</summary>
    public string Tsv() => string.Join('\n',
    [
        string.Join('\t', [.. ProofCase.Axes.Select(axis => axis.Name), "loss", "gradient_norm", "largest_error", "passed"]),
        .. _rows.Select(row => string.Join('\t',
        [
            .. ProofCase.Axes.Select(axis => row.Case[axis.Name]),
            .. new object[] { row.Report.Loss, row.Report.GradientNorm, row.Report.LargestError, row.Report.Passed }.Select(Text),
        ])),
        "",
    ]);

    private static string Text(object value) => Convert.ToString(value, CultureInfo.InvariantCulture)!;
}
