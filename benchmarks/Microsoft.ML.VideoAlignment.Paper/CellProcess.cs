using System.Diagnostics;

namespace Microsoft.ML.VideoAlignment.Paper;

/// <summary>A cell in a process of its own, so that its CPU time and its memory are its own: this program, started once more.</summary>
/// <param name="folder">Where results are.</param>
internal sealed class CellProcess(string folder)
{
    /// <summary>What its command line begins with.</summary>
    public const string Command = "cell";

    /// <summary>Null, or what went wrong.</summary>
    public string? Run(ExperimentConfig cell)
    {
        string program = Environment.ProcessPath!;
        string[] self = Path.GetFileNameWithoutExtension(program) == "dotnet" ? [typeof(CellProcess).Assembly.Location] : [];
        var start = new ProcessStartInfo(program, [.. self, Command, "--results", folder, "--cell", CellStore.ToText(cell)])
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true
        };

        // One thread: what a run takes then does not depend on how many are beside it.
        start.Environment["OMP_NUM_THREADS"] = "1";
        using Process child = Process.Start(start)!;
        Task<string> output = child.StandardOutput.ReadToEndAsync();
        string errors = child.StandardError.ReadToEnd();
        child.WaitForExit();
        output.Wait();
        return child.ExitCode == 0 ? null
            : errors.Split('\n', StringSplitOptions.RemoveEmptyEntries).FirstOrDefault() ?? FormattableString.Invariant($"exit code {child.ExitCode}");
    }
}
