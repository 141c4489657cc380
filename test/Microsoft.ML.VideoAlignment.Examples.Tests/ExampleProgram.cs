using System.Diagnostics;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>An example, run as its users run it: as a program, in a folder of its own.</summary>
internal static class ExampleProgram
{
    /// <summary>Such as Release/net10.0: examples are built as these tests are.</summary>
    private static readonly string s_built = Path.Combine(
        Directory.GetParent(Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory))!.Name,
            Path.GetFileName(Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory)));

    /// <summary>Where it was built.</summary>
    public static string Folder(string name) => Path.Combine(Repository.Root, "examples", name, "bin", s_built);

    /// <summary>What to put before a command so that it heeds every signal; nothing where env cannot (GNU's can, since coreutils 8.31).</summary>
    private static readonly Lazy<string[]> s_heedingSignals = new(static () =>
    {
        string[] heeding = ["env", "--default-signal"];
        if (!OperatingSystem.IsLinux())
        {
            return [];
        }

        using var trial =
            Process.Start(new ProcessStartInfo(heeding[0], [.. heeding[1..], "true"]) { RedirectStandardError = true, RedirectStandardOutput = true })!;
        trial.WaitForExit();
        return trial.ExitCode == 0 ? heeding : [];
    });

    /// <summary>Runs it to its end.</summary>
    /// <returns>Exit code, standard output, and the lines of the error stream.</returns>
    public static (int ExitCode, string Output, string[] Errors) Run(string name, string folder, params string[] arguments)
    {
        using Process process = Start(name, folder, arguments);
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, errors.Result.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    /// <summary>Starts it, with its output and error stream to be read.</summary>
    public static Process Start(string name, string folder, params string[] arguments) => Start(name, folder, new Dictionary<string, string?>(), arguments);

    /// <summary>Starts it with other environment variables; null: not set.</summary>
    public static Process Start(string name, string folder, IReadOnlyDictionary<string, string?> variables, params string[] arguments)
    {
        // What was started in the background ignores Ctrl+C, and so would what it starts.
        string[] command = [.. s_heedingSignals.Value, "dotnet", Path.Combine(Folder(name), $"{name}.dll"), .. arguments];
        var process = new Process
        {
            StartInfo = new ProcessStartInfo(command[0], command[1..])
            {
                WorkingDirectory = folder,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                UseShellExecute = false,
            },
        };
        foreach ((string variable, string? value) in variables)
        {
            process.StartInfo.Environment[variable] = value;
        }

        process.Start();
        return process;
    }
}
