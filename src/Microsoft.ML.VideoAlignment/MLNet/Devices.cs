using Microsoft.ML.Runtime;

namespace Microsoft.ML.VideoAlignment.MLNet;

/// <summary>Reads ML.NET's settings of the machine.</summary>
internal static class Devices
{
    /// <summary>Gets the folder of temporary files: <c>MLContext.TempFilePath</c>, else the system's temporary folder.</summary>
    /// <param name="host">The host.</param>
    public static string TemporaryFolder(IHost host) => MlNetInterop.TemporaryFolder(host) is { Length: > 0 } folder ? folder : Path.GetTempPath();

    /// <summary>Chooses the device for work under a host; the log says where it differs from what was asked for.</summary>
    /// <param name="host">The host.</param>
    /// <param name="channel">The log.</param>
    /// <exception cref="InvalidOperationException">The GPU asked for does not exist, and falling back is not allowed.</exception>
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

    /// <summary>Tells whether two devices are the same; the CPU has no index, and a GPU without one is the first.</summary>
    /// <param name="a">A device.</param>
    /// <param name="b">Another device.</param>
    public static bool Same(Device a, Device b) => a.type == b.type && (a.type == DeviceType.CPU || Math.Max(a.index, 0) == Math.Max(b.index, 0));
}
