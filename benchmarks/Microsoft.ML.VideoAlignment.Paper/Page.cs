using System.Globalization;
using System.Text;

namespace Microsoft.ML.VideoAlignment.Paper;

/// <summary>A Markdown page: what was asked, tables, images, what holds and what does not, and where the numbers come from.</summary>
internal sealed class Page
{
    private readonly StringBuilder _text = new();

    public Page(string title, string question) => _text.Append(CultureInfo.InvariantCulture, $"# {title}\n\n{question}\n\n");

    public Page Head(string title) => Add($"## {title}\n\n");

    public Page Say(string text) => Add(text + "\n\n");

    public Page Image(string file, string alternative) => Add($"![{alternative}]({file})\n\n");

    /// <summary>Says so where runs are missing: a page can be made of what is there.</summary>
    public Page Missing(int there, int wanted) =>
        there == wanted ? this : Say($"**Unfinished**: {there} of {wanted} runs are there, so some seeds or sizes are missing below and intervals are wide "
            + $"or none. The command goes on where it stopped.");

    /// <summary>A claim with what became of it.</summary>
    public Page Claim(bool? holds, string text) =>
        Add($"- **{holds switch { true => "Holds", false => "Does not hold", null => "Cannot be said" }}**: {text}\n");

    public Page Space() => Add("\n");

    public Page Table(IReadOnlyList<string> header, IEnumerable<IReadOnlyList<string>> rows)
    {
        Row(header);
        Row([.. header.Select((_, at) => at == 0 ? "---" : "---:")]);
        foreach (IReadOnlyList<string> row in rows)
        {
            Row(row);
        }

        return Space();

        void Row(IReadOnlyList<string> cells) => _text.Append("| ").AppendJoin(" | ", cells).Append(" |\n");
    }

    /// <summary>Machine, commits and sizes of the runs; then the page goes to its place.</summary>
    public void Write(string path, IReadOnlyList<CellResult> results, string command)
    {
        Head("Where the numbers come from");
        if (results.Count > 0)
        {
            ExperimentConfig cell = results[0].Cell;
            Say($"{results.Count} runs, {results.Sum(result => result.CpuSeconds) / 60:0.0} minutes of CPU time in training, measurements not counted. "
                + $"Machine: {string.Join("; ", results.Select(result => result.Machine).Distinct())}. Commit: "
                + $"{string.Join(", ", results.Select(result => result.Commit).Distinct())}.");
            Say($"LoRA of rank 8 in every layer, AdamW, batch {cell.Batch}, gradient norm clipped at 1; intervals are 95 %, Student's t over the seeds. "
                + $"Each run is a process of one thread; wall time also counts what else the machine did, CPU time does not.");
        }

        Say($"Made by `{command}`; the runs are in `cells/`.");
        File.WriteAllText(path, _text.ToString().TrimEnd('\n') + "\n");
    }

    private Page Add(string text)
    {
        _text.Append(text);
        return this;
    }
}

/// <summary>Comma-separated values.</summary>
internal static class Csv
{
    public static void Write(string path, IReadOnlyList<string> header, IEnumerable<IReadOnlyList<object?>> rows) =>
        File.WriteAllLines(path, rows.Select(row => string.Join(',', row.Select(Text))).Prepend(string.Join(',', header)));

    private static string Text(object? value)
    {
        string text = Convert.ToString(value is double number ? Math.Round(number, 6) : value, CultureInfo.InvariantCulture) ?? "";
        return text.AsSpan().ContainsAny(",\"\n") ? $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"" : text;
    }
}
