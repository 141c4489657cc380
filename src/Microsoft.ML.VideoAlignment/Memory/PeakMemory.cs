using System.Diagnostics;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Memory;

/// <summary>Measures the peak of the memory of a run's device.</summary>
/// <param name="device">The device.</param>
/// <remarks>
/// Of a GPU the most that was in use at a measurement: TorchSharp does not expose the statistics of libtorch's allocator, which however keeps what it has taken
/// from the card (unless PYTORCH_CUDA_ALLOC_CONF or a shortage makes it give blocks back), so that after a step the card shows the step's peak.
/// </remarks>
internal sealed class PeakMemory(IComputeDevice device)
{
    private long? _mostUsed;

    /// <summary>Measures now.</summary>
    /// <returns>
    /// On the CPU the peak of the process's resident memory, everything in the process included; on a GPU the most that measurements found in use, of all
    /// programs. In bytes; null: the system does not say.
    /// </returns>
    public long? Measure()
    {
        if (device.Type == DeviceType.CPU)
        {
            using var process = Process.GetCurrentProcess();
            return process.PeakWorkingSet64 > 0 ? process.PeakWorkingSet64 : null;
        }

        if (device.ReadMemory() is { } memory)
        {
            _mostUsed = Math.Max(_mostUsed ?? 0, memory.UsedBytes);
        }

        return _mostUsed;
    }
}
