using System.Globalization;
using Microsoft.ML.VideoAlignment;
using Spectre.Console;

namespace ProveGradients;

/// <summary>The results: a line for each case as it comes, and a table by family, reward and window at the end.</summary>
internal sealed class ProofTable(int cases)
{
    private readonly List<(ProofCase Case, GradientCheckReport Report)> _rows = [];
    private int _invariantsPassed;
    private int _invariantsFailed;

    public int PassedCount => _rows.Count(row => row.Report.Passed) + _invariantsPassed;

    public int FailedCount => _rows.Count(row => !row.Report.Passed) + _invariantsFailed;

    public double LargestError => _rows.Select(row => row.Report.LargestError).DefaultIfEmpty().Max();

    public void Add(ProofCase proof, GradientCheckReport report, int point, bool everyRow)
    {
        _rows.Add((proof, report));
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{_rows.Count,4}/{cases} {(report.Passed ? "ok  " : "FAIL")} error {report.LargestError:0.0e+00}, norm {report.GradientNorm:0.0e+00}: {proof}{(point > 1 ? $", at point {point} (a kink before)" : "")}"));
        if (everyRow || !report.Passed)
        {
            Console.Write(report);
        }
    }

    public void AddInvariants(string family, GradientCheckReport report)
    {
        Console.WriteLine($"what must be equal, {family}");
        Console.Write(report);
        _invariantsPassed += report.Passed ? 1 : 0;
        _invariantsFailed += report.Passed ? 0 : 1;
    }

    /// <summary>For each value of each axis: cases, failures, largest error.</summary>
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

    public string Tsv() => string.Join('\n',
    [
        string.Join('\t', [.. ProofCase.Axes.Select(axis => axis.Name), "loss", "gradient_norm", "largest_error", "passed"]),
        .. _rows.Select(row => string.Join('\t', [.. ProofCase.Axes.Select(axis => row.Case[axis.Name]), Text(row.Report.Loss), Text(row.Report.GradientNorm), Text(row.Report.LargestError), Text(row.Report.Passed)])),
        "",
    ]);

    private static string Text(object value) => Convert.ToString(value, CultureInfo.InvariantCulture)!;
}
