using System.Text.Json;
using Microsoft.ML.VideoAlignment;

namespace Examples;

/// <summary>Where an example keeps the state of its run until the result is whole, and how to go on with it.</summary>
/// <param name="Folder">Beside the result.</param>
/// <param name="Command">What to type.</param>
internal sealed record InterruptedRun(string Folder, string Command)
{
    private const string CurveName = "curve.jsonl";

    /// <summary>The place of a run whose results go to <paramref name="result"/>.</summary>
    /// <param name="project">Such as examples/AlignAesthetic.</param>
    /// <param name="arguments">The command line.</param>
    /// <param name="result">The folder of the results.</param>
    /// <param name="resume">Whether the user wants to go on.</param>
    /// <exception cref="UsageException">There is an interrupted run, and the user did not say that it is to go on.</exception>
    public static InterruptedRun Open(string project, string[] arguments, string result, bool resume)
    {
        string[] again = resume ? arguments : [.. arguments, "--resume"];
        string command = $"dotnet run -c Release --project {project} -- {string.Join(' ', again.Select(Quoted))}";
        string folder = Path.TrimEndingDirectorySeparator(Path.GetFullPath(result)) + ".run";
        return resume || !Directory.Exists(folder) ? new InterruptedRun(folder, command)
            : throw new UsageException($"--out: '{folder}' holds a run that was interrupted; go on with it by --resume, or delete it");
    }

    /// <summary>The steps done so far, in this process and before.</summary>
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

    /// <summary>Keeps a step; the folder is there, since the run has its state in it.</summary>
    public void Keep(VideoAlignmentProgress step) => File.AppendAllText(Path.Combine(Folder, CurveName), JsonSerializer.Serialize(step) + "\n");

    /// <summary>Adds a step to a curve, from which what is done again is taken out first.</summary>
    public static void Append(List<VideoAlignmentProgress> curve, VideoAlignmentProgress step)
    {
        curve.RemoveAll(known => known.Step >= step.Step);
        curve.Add(step);
    }

    /// <summary>Removes what the run has put there.</summary>
    public void Remove()
    {
        if (!Directory.Exists(Folder))
        {
            return;
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

    private static string Quoted(string argument) => argument.Length > 0 && !argument.Any(letter => char.IsWhiteSpace(letter) || "\"'$&|;<>*?()".Contains(letter, StringComparison.Ordinal))
        ? argument
        : $"'{argument.Replace("'", "'\\''", StringComparison.Ordinal)}'";
}
