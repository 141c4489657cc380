using Microsoft.ML.VideoAlignment.MovingShapes.Training;

namespace Microsoft.ML.VideoAlignment.MovingShapes.Stages;

/// <summary>Folders and log that all stages share: <c>state</c> to continue from, <c>ship</c> the files of the finished world.</summary>
internal sealed class Workshop
{
    public Workshop(string folder)
    {
        (Folder, State, Ship) = (folder, Path.Combine(folder, "state"), Path.Combine(folder, "ship"));
        Directory.CreateDirectory(State);
        Directory.CreateDirectory(Ship);
        Log = new TrainingLog(Path.Combine(folder, "log.txt"));
    }

    public string Folder { get; }

    public string State { get; }

    public string Ship { get; }

    public TrainingLog Log { get; }

    /// <summary>Replaces the number of steps of every plan, for trials; null: as planned.</summary>
    public int? Steps { get; init; }

    /// <summary>How many videos the report generates, a multiple of 8.</summary>
    public int Videos { get; init; } = ReportStage.DefaultVideos;

    /// <summary>Guidance scale of the report's videos.</summary>
    public double Guidance { get; init; } = ReportStage.DefaultGuidance;

    /// <summary>Figures by name, kept in state/figures.tsv for the report.</summary>
    public void Note(string name, double value)
    {
        string path = Path.Combine(State, "figures.tsv");
        IEnumerable<string> others = File.Exists(path) ? File.ReadAllLines(path).Where(line => !line.StartsWith(name + "\t", StringComparison.Ordinal)) : [];
        File.WriteAllLines(path, [.. others, FormattableString.Invariant($"{name}\t{value:G6}")]);
        Log.Write(FormattableString.Invariant($"{name} = {value:G6}"));
    }

    /// <summary>A noted figure; NaN where its stage has not run.</summary>
    public double Figure(string name)
    {
        string path = Path.Combine(State, "figures.tsv");
        string? line = File.Exists(path) ? File.ReadAllLines(path).FirstOrDefault(line => line.StartsWith(name + "\t", StringComparison.Ordinal)) : null;
        return line is null ? double.NaN : double.Parse(line.Split('\t')[1], System.Globalization.CultureInfo.InvariantCulture);
    }

    /// <summary>state/NAME.state.</summary>
    public string StateFile(string name) => Path.Combine(State, name + ".state");
}
