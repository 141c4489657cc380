using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.MLNet;

/// <summary>Chooses where networks run by ML.NET's own settings: <c>GpuDeviceId</c> null is the CPU, a number is that CUDA device.</summary>
internal static class DeviceSelection
{
    /// <summary>
    /// Chooses the device. Where the CUDA device asked for does not exist, it is the CPU if falling back is allowed, with a notice that says so, and an error
    /// otherwise.
    /// </summary>
    /// <param name="gpuDeviceId"><c>MLContext.GpuDeviceId</c>; null: the CPU.</param>
    /// <param name="fallbackToCpu"><c>MLContext.FallbackToCpu</c>.</param>
    /// <param name="cudaDevices">How many CUDA devices libtorch sees.</param>
    /// <param name="notice">A message for the user's log; null: none.</param>
    /// <returns>The index of the CUDA device; null: the CPU.</returns>
    /// <exception cref="InvalidOperationException">The device does not exist and falling back is not allowed.</exception>
    public static int? Choose(int? gpuDeviceId, bool fallbackToCpu, int cudaDevices, out string? notice)
    {
        notice = null;
        if (gpuDeviceId is not { } index)
        {
            notice = cudaDevices > 0 ? "Running on the CPU because MLContext.GpuDeviceId is null; set it to 0 to use the first CUDA device." : null;
            return null;
        }

        if (index >= 0 && index < cudaDevices)
        {
            return index;
        }

        string found = cudaDevices == 0
            ? "libtorch sees no CUDA device (is TorchSharp-cuda-linux or -windows referenced, and a driver installed?)"
            : $"libtorch sees {cudaDevices} CUDA device(s), numbered from 0";
        if (!fallbackToCpu)
        {
            throw new InvalidOperationException($"MLContext.GpuDeviceId is {index}, but {found}, and MLContext.FallbackToCpu is false. "
                + "Set GpuDeviceId to null or FallbackToCpu to true to run on the CPU.");
        }

        notice = $"MLContext.GpuDeviceId is {index}, but {found}: running on the CPU.";
        return null;
    }

    /// <summary>Counts the CUDA devices that libtorch sees.</summary>
    /// <exception cref="DllNotFoundException">No native libtorch package is referenced (<see cref="NativeTorch.Require"/>).</exception>
    public static int CudaDevices()
    {
        NativeTorch.Require();
        return cuda.is_available() ? cuda.device_count() : 0;
    }
}
