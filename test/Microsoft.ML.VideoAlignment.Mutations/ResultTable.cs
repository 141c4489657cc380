using System.Globalization;

namespace Microsoft.ML.VideoAlignment.Mutations;

/// <summary>Verdicts by the faults' names, in a file that people read and later runs go on from.</summary>
internal sealed class ResultTable
{
    private const string Header = "room\tfile\tmember\tkind\tchange\tresult\tby";

    private readonly string _path;
    private readonly SortedDictionary<string, Verdict> _rows = new(StringComparer.Ordinal);

    /// <summary>Reads what there is.</summary>
    /// <param name="path">The file; it need not exist.</param>
    /// <param name="resume">Whether to go on from it.</param>
    public ResultTable(string path, bool resume)
    {
        _path = path;
        foreach (string line in resume && File.Exists(path) ? File.ReadLines(path).Skip(1) : [])
        {
            string[] cells = line.Split('\t');
            _rows[string.Join('\t', cells[..5])] = new Verdict(cells[5], cells[6]);
        }
    }

    /// <summary>What is known of a fault; null: nothing.</summary>
    /// <param name="fault">Any.</param>
    public Verdict? this[Fault fault] => _rows.GetValueOrDefault(fault.Name);

    /// <summary>Notes a verdict and writes the file.</summary>
    /// <param name="fault">Any.</param>
    /// <param name="verdict">What became of it.</param>
    public void Set(Fault fault, Verdict verdict)
    {
        _rows[fault.Name] = verdict;
        Write();
    }

    /// <summary>Forgets faults that are not among these.</summary>
    /// <param name="faults">The selection.</param>
    public void Keep(IEnumerable<Fault> faults)
    {
        HashSet<string> names = [.. faults.Select(fault => fault.Name)];
        foreach (string name in _rows.Keys.Where(name => !names.Contains(name)).ToArray())
        {
            _rows.Remove(name);
        }
    }

    /// <summary>Seen and all by room, and what was not seen.</summary>
    /// <param name="explained">Why a fault cannot be seen; null: it is not explained.</param>
    public void Print(Func<string, string?> explained)
    {
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{"room",-12} {"faults",7} {"seen",6} {"explained",10} {"survived",9} {"share",7}"));
        foreach (IGrouping<string, KeyValuePair<string, Verdict>> room in _rows.GroupBy(row => row.Key.Split('\t')[0]))
        {
            Line(room.Key, room);
        }

        Line("all", _rows);
        foreach ((string name, Verdict verdict) in _rows.Where(row => !row.Value.IsSeen))
        {
            Console.WriteLine(
                $"{verdict.Result} ({verdict.By}): {name.Replace("\t", " | ", StringComparison.Ordinal)}{(explained(name) is { } why ? $"\n    {why}" : "")}");
        }

        void Line(string name, IEnumerable<KeyValuePair<string, Verdict>> rows)
        {
            int count = rows.Count(), seen = rows.Count(row => row.Value.IsSeen),
                known = rows.Count(row => !row.Value.IsSeen && explained(row.Key) is not null);
            double share = count == known ? 1 : seen / (double)(count - known);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name,-12} {count,7} {seen,6} {known,10} {count - seen - known,9} {share,7:p1}"));
        }
    }

    private void Write()
    {
        string written = $"{_path}.new";
        File.WriteAllLines(written, [Header, .. _rows.Select(row => string.Join('\t', row.Key, row.Value.Result, row.Value.By))]);
        File.Move(written, _path, overwrite: true);
    }
}
