using System.Diagnostics;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>An example, run as its users run it: as a program, in a folder of its own.</summary>
internal static class ExampleProgram
{
    /// <summary>Such as Release/net10.0: examples are built as these tests are.</summary>
    private static readonly string s_built = Path.Combine(
        Directory.GetParent(Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory))!.Name, Path.GetFileName(Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory)));

    /// <summary>Where it was built.</summary>
    public static string Folder(string name) => Path.Combine(Repository.Root, "examples", name, "bin", s_built);

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
        string program = Path.Combine(Folder(name), $"{name}.dll");
        var process = new Process
        {
            StartInfo = new ProcessStartInfo("dotnet", [program, .. arguments])
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
