using System.Diagnostics;

namespace Microsoft.ML.VideoAlignment.Benchmarks;

/// <summary>What a process holds between two optimizer steps.</summary>
/// <param name="Step">Optimizer steps done.</param>
/// <param name="Tensors">Tensors whose native handle is alive, on all threads.</param>
/// <param name="InScopes">Tensors and packed sequences of this thread that were made and not disposed.</param>
/// <param name="ManagedBytes">What the garbage collector holds.</param>
/// <param name="ResidentBytes">What the process has in memory.</param>
internal readonly record struct SoakReading(int Step, long Tensors, long InScopes, long ManagedBytes, long ResidentBytes)
{
    /// <summary>
    /// Reads what the process holds, memory after a garbage collection, so that only what is reachable counts. Tensors are counted before it: a step must not
    /// leave any to a finalizer.
    /// </summary>
    /// <param name="step">Optimizer steps done.</param>
    public static SoakReading Now(int step)
    {
        (long tensors, long scoped) = (Tensor.TotalCount, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
        using var process = Process.GetCurrentProcess();
        return new SoakReading(step, tensors, scoped, GC.GetTotalMemory(forceFullCollection: false), process.WorkingSet64);
    }
}
