using System.Diagnostics;

namespace Microsoft.ML.VideoAlignment.Memory;

/// <summary>Reads the memory figures that the operating system keeps of this process.</summary>
internal static class PeakMemory
{
    /// <summary>Gets the peak of the process's resident memory.</summary>
    /// <returns>Bytes, everything in the process included; null: the system does not say.</returns>
    public static long? Measure()
    {
        using var process = Process.GetCurrentProcess();
        return process.PeakWorkingSet64 > 0 ? process.PeakWorkingSet64 : null;
    }
}
