using Microsoft.ML.Runtime;
using Microsoft.ML.VideoAlignment.DataViews;

namespace Microsoft.ML.VideoAlignment;

/// <summary>Reads ML.NET's settings of the machine.</summary>
internal static class Devices
{
    /// <summary>Where temporary files go: <c>MLContext.TempFilePath</c>, else the system's place.</summary>
    public static string TemporaryFolder(IHost host) => MlNetInterop.TemporaryFolder(host) is { Length: > 0 } folder ? folder : Path.GetTempPath();

    /// <summary>The device for work under this host; says in the log where it differs from what was asked for.</summary>
    public static Device Choose(IHost host, IChannel channel)
    {
        int? cudaDevice = DeviceSelection.Choose(
            MlNetInterop.GpuDeviceId(host), MlNetInterop.FallbackToCpu(host), DeviceSelection.CudaDevices(), out string? notice);
        if (notice is not null)
        {
            Log.DeviceNotice(channel, notice);
        }

        return cudaDevice is { } index ? device(DeviceType.CUDA, index) : CPU;
    }

    /// <summary>Whether two devices are one; the CPU has no number.</summary>
    public static bool Same(Device a, Device b) => a.type == b.type && (a.type == DeviceType.CPU || Math.Max(a.index, 0) == Math.Max(b.index, 0));
}
