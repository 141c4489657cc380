using System.Diagnostics;
using System.Globalization;

namespace Microsoft.ML.VideoAlignment.Benchmarks;

/// <summary>
/// Runs many steps of each algorithm on the embedded model, each in a process and a temporary folder of its own. The exit code tells whether anything grew or
/// was not cleaned up.
/// </summary>
internal static class Soak
{
    private const int Readings = 100;

    /// <summary>Runs all algorithms, one after the other.</summary>
    /// <param name="steps">Optimizer steps of each, at least 100.</param>
    /// <returns>The exit code.</returns>
    public static int Run(int steps)
    {
        Console.WriteLine($"{steps} steps of each algorithm; windows: the second quarter of the run, and the last");
        Console.WriteLine("algorithm       | live tensors    | undisposed      | resident MiB            | growth | left | seconds");
        int failures = 0;
        foreach (string name in SoakRun.Algorithms.Keys)
        {
            string folder = Directory.CreateTempSubdirectory("soak-").FullName;
            try
            {
                var start = new ProcessStartInfo(Environment.ProcessPath!);
                if (Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet")
                {
                    start.ArgumentList.Add(typeof(Soak).Assembly.Location);
                }

                foreach (string argument in (string[])["--soak-of", name, steps.ToString(CultureInfo.InvariantCulture), folder])
                {
                    start.ArgumentList.Add(argument);
                }

                // One arena: glibc's further ones keep what threads free, each its own, and by chance. The runtime's sockets for debuggers would lie in the
                // folder.
                (start.Environment["TMPDIR"], start.Environment["MALLOC_ARENA_MAX"], start.Environment["DOTNET_EnableDiagnostics"]) = (folder, "1", "0");
                using Process process = Process.Start(start)!;
                process.WaitForExit();
                failures += process.ExitCode == 0 ? 0 : 1;
            }
            finally
            {
                Directory.Delete(folder, recursive: true);
            }
        }

        Console.WriteLine(failures == 0 ? "flat" : $"{failures} of {SoakRun.Algorithms.Count} not flat");
        return failures == 0 ? 0 : 1;
    }

    /// <summary>Runs one algorithm in this process, and prints its line and what is wrong.</summary>
    /// <param name="name">The algorithm's name.</param>
    /// <param name="steps">Optimizer steps.</param>
    /// <param name="folder">An empty folder for everything temporary.</param>
    public static int RunAlone(string name, int steps, string folder)
    {
        var options = new VideoAlignmentOptions
        {
            Sampling = new() { Steps = 2, GuidanceScale = 1, Frames = 4, Height = 16, Width = 16 },
            Lora = new() { Rank = 2 },
            Optimizer = new() { Steps = steps },
            Algorithm = SoakRun.Algorithms[name],
        };
        var clock = Stopwatch.StartNew();
        SoakReport report = SoakRun.Run(MovingShapesModels.TextToVideo, MovingShapesRewards.Aesthetic, options, Math.Max(1, steps / Readings), folder);
        const double Mebi = 1 << 20;
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{name,-15} | {report.Tensors.Early,6} -> {report.Tensors.Late,-6} | {report.InScopes.Early,6} -> {report.InScopes.Late,-6} | ")
            + string.Create(
                CultureInfo.InvariantCulture,
                $"{report.Resident.Early / Mebi,9:0.0} -> {report.Resident.Late / Mebi,-9:0.0}  | {report.Growth,6:+0.0%;-0.0%} | ")
            + string.Create(CultureInfo.InvariantCulture, $"{report.FilesLeft.Count,4} | {clock.Elapsed.TotalSeconds:0}"));
        string[] faults = [.. report.Faults(memory: true)];
        foreach (string fault in faults)
        {
            Console.WriteLine($"  {fault}");
        }

        return faults.Length == 0 ? 0 : 1;
    }
}
