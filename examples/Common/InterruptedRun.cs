using System.Text.Json;
using Microsoft.ML.VideoAlignment;

namespace Examples;

/// <summary>Where an example keeps the state of its run until the result is whole, and how to go on with it.</summary>
/// <param name="Folder">The folder of the state, beside the result.</param>
/// <param name="Command">The command that goes on with the run.</param>
internal sealed record InterruptedRun(string Folder, string Command)
{
    private const string CurveName = "curve.jsonl";

    /// <summary>Whether a run that was interrupted goes on.</summary>
    public bool GoesOn { get; private init; }

    /// <summary>The sentence, after a blank, that tells whoever ends the run how to go on.</summary>
    public string HowToGoOn => $" To go on: {Command}";

    /// <summary>Finds the place of a run.</summary>
    /// <param name="line">The command line.</param>
    /// <param name="result">The folder of the results.</param>
    /// <param name="resume">Whether the user wants to go on.</param>
    /// <exception cref="UsageException">There is an interrupted run, and the user did not ask to go on with it.</exception>
    public static InterruptedRun Open(CommandLine line, string result, bool resume)
    {
        string[] again = [.. line.Arguments, .. resume ? [] : new[] { "--resume" }];
        string command = $"dotnet run -c Release --project examples/{line.Program} -- {string.Join(' ', again.Select(Quoted))}";
        string folder = Path.TrimEndingDirectorySeparator(Path.GetFullPath(result)) + ".run";
        bool found = Directory.Exists(folder);
        return resume || !found ? new InterruptedRun(folder, command) { GoesOn = resume && found }
            : throw new UsageException($"--out: '{folder}' holds a run that was interrupted; go on with it by --resume, or delete it");
    }

    /// <summary>Finds the place of one of several trainings.</summary>
    /// <param name="name">The training's name, which becomes a folder.</param>
    public InterruptedRun Part(string name) => this with { Folder = Path.Combine(Folder, name) };

    /// <summary>Reads the steps done so far, in this process and before.</summary>
    public IReadOnlyList<VideoAlignmentProgress> Curve()
    {
        var curve = new List<VideoAlignmentProgress>();
        string file = Path.Combine(Folder, CurveName);
        foreach (string line in File.Exists(file) ? File.ReadLines(file) : [])
        {
            try
            {
                Append(curve, JsonSerializer.Deserialize<VideoAlignmentProgress>(line)!);
            }
            catch (JsonException)
            {
                // The end of a line was not written: the process was killed, and the step is done again.
            }
        }

        return curve;
    }

    /// <summary>Writes a step down; the folder exists, since the run has its state in it.</summary>
    /// <param name="step">The step.</param>
    public void Record(VideoAlignmentProgress step) => File.AppendAllText(Path.Combine(Folder, CurveName), JsonSerializer.Serialize(step) + "\n");

    /// <summary>Adds a step to a curve, after removing steps that are being done again.</summary>
    /// <param name="curve">The steps so far.</param>
    /// <param name="step">The step to add.</param>
    public static void Append(List<VideoAlignmentProgress> curve, VideoAlignmentProgress step)
    {
        curve.RemoveAll(known => known.Step >= step.Step);
        curve.Add(step);
    }

    /// <summary>Deletes what the run has written there.</summary>
    public void Remove()
    {
        if (!Directory.Exists(Folder))
        {
            return;
        }

        foreach (string part in Directory.GetDirectories(Folder))
        {
            Part(Path.GetFileName(part)).Remove();
        }

        foreach (string file in Directory.GetFiles(Folder, "state-*.safetensors").Concat([Path.Combine(Folder, CurveName), Path.Combine(Folder, "run.lock")]))
        {
            File.Delete(file);
        }

        if (!Directory.EnumerateFileSystemEntries(Folder).Any())
        {
            Directory.Delete(Folder);
        }
    }

    private static string Quoted(string argument) =>
        argument.Length > 0 && !argument.Any(letter => char.IsWhiteSpace(letter) || "\"'$&|;<>*?()".Contains(letter, StringComparison.Ordinal))
        ? argument
        : $"'{argument.Replace("'", "'\\''", StringComparison.Ordinal)}'";
}
