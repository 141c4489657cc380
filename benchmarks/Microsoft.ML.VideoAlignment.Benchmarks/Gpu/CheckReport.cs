using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Microsoft.ML.VideoAlignment.Benchmarks;

/// <summary>What the phases of the check found, as a table and as figures.</summary>
/// <param name="Card">What was checked, such as the card's name.</param>
/// <param name="Phases">The phases so far.</param>
internal sealed record CheckReport(string Card, IReadOnlyList<PhaseResult> Phases)
{
    /// <summary>The file of the table.</summary>
    public const string Table = "gpu-check.md";

    /// <summary>The file of the figures.</summary>
    public const string Figures = "gpu-check.json";

    private static readonly JsonSerializerOptions s_json = new()
    {
        WriteIndented = true,
        Converters = { new JsonStringEnumConverter() },
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

    /// <summary>Whether every phase passed.</summary>
    public bool Passed => Phases.Count > 0 && Phases.All(phase => phase.Passed);

    /// <summary>Writes both files.</summary>
    /// <param name="folder">Where to; it is made.</param>
    public void Write(string folder)
    {
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, Table), ToMarkdown());
        File.WriteAllText(Path.Combine(folder, Figures), JsonSerializer.Serialize(new { Card, Passed, Phases }, s_json));
    }

    /// <summary>Makes the table: the phases, their measurements, and what went wrong.</summary>
    public string ToMarkdown()
    {
        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"# Check on {Card}: {(Passed ? "passed" : "failed")}");
        text.AppendLine();
        double seconds = Phases.Sum(phase => phase.Seconds);
        text.AppendLine(CultureInfo.InvariantCulture, $"{RuntimeInformation.OSDescription}, .NET {Environment.Version}; {seconds:0} s");
        text.AppendLine();
        text.AppendLine("| phase | passed | failed | skipped | seconds | |");
        text.AppendLine("|---|---|---|---|---|---|");
        foreach (PhaseResult phase in Phases)
        {
            string end = phase.Trouble.Length > 0 ? phase.Trouble : phase.Rows.Count == 0 ? "compared nothing" : phase.Passed ? "ok" : "failed";
            text.AppendLine(
                CultureInfo.InvariantCulture,
                $"| {phase.Name} | {phase.Count(CheckVerdict.Passed)} | {phase.Count(CheckVerdict.Failed)} | {phase.Count(CheckVerdict.Skipped)} | "
                    + $"{phase.Seconds:0.0} | {end} |");
        }

        foreach (IGrouping<string, CheckRow> alike in Phases.SelectMany(phase => phase.Rows).Where(row => row.Figures is not null)
            .GroupBy(row => row.Figures!.ContainsKey("ratio") ? "step beside the reference" : "step"))
        {
            AppendFigures(text, alike.Key, [.. alike]);
        }

        AppendList(text, "Failed", CheckVerdict.Failed);
        AppendList(text, "Skipped", CheckVerdict.Skipped);
        foreach (PhaseResult phase in Phases.Where(phase => phase.Trouble.Length > 0 && phase.Tail.Count > 0))
        {
            text.AppendLine().AppendLine(CultureInfo.InvariantCulture, $"## Last lines of {phase.Name}").AppendLine();
            text.AppendLine("```").AppendJoin('\n', phase.Tail).AppendLine().AppendLine("```");
        }

        return text.ToString();
    }

    private static void AppendFigures(StringBuilder text, string title, IReadOnlyList<CheckRow> rows)
    {
        string[] columns = [.. rows.SelectMany(row => row.Figures!.Keys).Distinct().OrderByDescending(column => column == "seconds")];
        text.AppendLine().AppendLine(CultureInfo.InvariantCulture, $"| {title} | {string.Join(" | ", columns)} |");
        text.AppendLine(CultureInfo.InvariantCulture, $"|---|{string.Concat(columns.Select(_ => "---|"))}");
        foreach (CheckRow row in rows)
        {
            IEnumerable<string> cells = columns.Select(column =>
                row.Figures!.TryGetValue(column, out double value) ? Format(value) : row.Verdict == CheckVerdict.Skipped ? "skipped" : "-");
            text.AppendLine(CultureInfo.InvariantCulture, $"| {row.Name} | {string.Join(" | ", cells)} |");
        }
    }

    private static string Format(double value) => value.ToString(Math.Abs(value) >= 100 ? "0" : "0.###", CultureInfo.InvariantCulture);

    private void AppendList(StringBuilder text, string title, CheckVerdict verdict)
    {
        (string Phase, CheckRow Row)[] rows = [.. Phases.SelectMany(phase => phase.Rows.Where(row => row.Verdict == verdict).Select(row => (phase.Name, row)))];
        if (rows.Length == 0)
        {
            return;
        }

        text.AppendLine().AppendLine(CultureInfo.InvariantCulture, $"## {title}").AppendLine();
        foreach ((string phase, CheckRow row) in rows)
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"- {phase}: {row.Name}: {row.Note.ReplaceLineEndings(" ")}");
        }
    }
}
