using System.Diagnostics;
using System.Globalization;

namespace Microsoft.ML.VideoAlignment.Benchmarks;

/// <summary>
/// Does the peak memory of a K = 1 step grow with the number T of denoising steps? It must not: steps outside the window keep nothing.
/// Each T has a process of its own, because freed memory stays with a process and would hide what the next run takes.
/// </summary>
internal static class MemoryByLength
{
    private const string Alone = "--memory-of";

    public static void Run()
    {
        Console.WriteLine("| size | T | peak of two K = 1 steps above the loaded model, MB |");
        Console.WriteLine("|---|---|---|");
        foreach (ModelSize size in new[] { ModelSize.Embedded, ModelSize.Middle })
        {
            foreach (int steps in new[] { 5, 10, 20 })
            {
                Console.WriteLine($"| {size.Name} | {steps} | {Child(size.Name, steps)} |");
            }
        }
    }

    /// <summary>Measures one length in this process, the child, and prints the megabytes.</summary>
    /// <param name="size">The name of the size.</param>
    /// <param name="steps">Denoising steps.</param>
    public static void RunAlone(string size, int steps)
    {
        using var work = new VaderWork(ModelSize.ByName(size), steps);
        long? peak = PeakMemory.Of(() =>
        {
            work.Step();
            work.Step();
        });
        Console.WriteLine(peak is { } bytes ? (bytes / 1e6).ToString("0", CultureInfo.InvariantCulture) : "not measured on this system");
    }

    private static string Child(string size, int steps)
    {
        string[] arguments = [typeof(MemoryByLength).Assembly.Location, Alone, size, steps.ToString(CultureInfo.InvariantCulture)];
        using Process child = Process.Start(new ProcessStartInfo("dotnet", arguments) { RedirectStandardOutput = true })!;
        string output = child.StandardOutput.ReadToEnd().Trim();
        child.WaitForExit();
        return child.ExitCode == 0 ? output : $"failed with code {child.ExitCode}";
    }
}
