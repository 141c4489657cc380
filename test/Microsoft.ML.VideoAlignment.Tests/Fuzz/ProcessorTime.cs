using System.Diagnostics;
using System.Globalization;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Processor time, which other programs of a busy machine do not lengthen.</summary>
internal static class ProcessorTime
{
    private const string Linux = "/proc/thread-self/stat";

    /// <summary>The kernel's ticks in a second, as it shows them to programs.</summary>
    private const double Ticks = 100;

    /// <summary>Processor seconds of this thread, to a hundredth; where the system does not tell, seconds.</summary>
    public static double OfThisThread()
    {
        if (!File.Exists(Linux))
        {
            return Stopwatch.GetTimestamp() / (double)Stopwatch.Frequency;
        }

        // Behind the name, which may hold anything: state, ten numbers, then the time in the program and in the kernel for it.
        string stat = File.ReadAllText(Linux);
        string[] fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        return (long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture)) / Ticks;
    }
}
