using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Microsoft.ML.VideoAlignment.Benchmarks;

/// <summary>
/// Memory of the device by the CUDA runtime that libtorch has loaded. libtorch's allocator keeps what it has taken, so that a reading after some work is the
/// work's peak; what other programs have on the card is in it.
/// </summary>
internal static class DeviceMemory
{
    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    private delegate int GetInfo(out nuint free, out nuint total);

    /// <summary>Reads what is free and what there is.</summary>
    /// <returns>Bytes of the current device; null: the CUDA runtime is not loaded, or does not tell.</returns>
    public static (long Free, long Total)? Read()
    {
        using var process = Process.GetCurrentProcess();
        foreach (ProcessModule module in process.Modules)
        {
            if (module.ModuleName.Contains("cudart", StringComparison.OrdinalIgnoreCase)
                && NativeLibrary.TryLoad(module.FileName, out nint library) && NativeLibrary.TryGetExport(library, "cudaMemGetInfo", out nint function)
                && Marshal.GetDelegateForFunctionPointer<GetInfo>(function)(out nuint free, out nuint total) == 0)
            {
                return ((long)free, (long)total);
            }
        }

        return null;
    }
}
