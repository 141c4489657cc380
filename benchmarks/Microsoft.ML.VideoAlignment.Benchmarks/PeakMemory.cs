namespace Microsoft.ML.VideoAlignment.Benchmarks;

/// <summary>Peak resident memory of a piece of work, above what was resident before it (Linux: VmHWM, which can be reset; elsewhere not measured).</summary>
internal static class PeakMemory
{
    private const string Status = "/proc/self/status";
    private const string Reset = "/proc/self/clear_refs";

    /// <summary>Measures a piece of work.</summary>
    /// <param name="work">The work.</param>
    /// <returns>Bytes; null: the system does not tell.</returns>
    public static long? Of(Action work)
    {
        long? before = Start();
        work();
        return Since(before);
    }

    /// <summary>Resets the peak.</summary>
    /// <returns>The bytes that are resident now; null: the system does not tell.</returns>
    public static long? Start()
    {
        if (!File.Exists(Reset))
        {
            return null;
        }

        GC.Collect();
        GC.WaitForPendingFinalizers();
        try
        {
            File.WriteAllText(Reset, "5");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null;
        }

        return Read("VmRSS:");
    }

    /// <summary>Reads the peak since the reset.</summary>
    /// <param name="before">What <see cref="Start"/> returned.</param>
    /// <returns>Bytes above what was resident then; null: the system does not tell.</returns>
    public static long? Since(long? before) => before is { } start ? Math.Max(0, Read("VmHWM:") - start) : null;

    private static long Read(string key) =>
        File.ReadLines(Status).First(line => line.StartsWith(key, StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)
            is [_, var kilobytes, _]
            ? long.Parse(kilobytes, System.Globalization.CultureInfo.InvariantCulture) * 1024
            : throw new InvalidDataException($"{Status}: {key} is not in kB");
}
