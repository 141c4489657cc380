using System.Diagnostics;

namespace Microsoft.ML.VideoAlignment;

/// <summary>What the operating system counts of this process.</summary>
internal static class PeakMemory
{
    /// <summary>The most memory that was resident at once, in bytes, everything in the process included; null where the system does not say.</summary>
    public static long? OfProcess()
    {
        using var process = Process.GetCurrentProcess();
        return process.PeakWorkingSet64 > 0 ? process.PeakWorkingSet64 : null;
    }
}
