using Microsoft.ML.VideoAlignment.MLNet;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Benchmarks;

/// <summary>Where the benchmarks compute: the one place that decides it, from <c>--device</c>.</summary>
internal static class BenchmarkDevice
{
    private static Device? s_current;

    /// <summary>The device; the CPU unless <see cref="Choose"/> chose another.</summary>
    public static Device Current => s_current ?? CPU;

    /// <summary>float32 on the device.</summary>
    public static Placement Placement => Placement.Cpu with { Device = Current };

    /// <summary>Chooses the device.</summary>
    /// <param name="name">"cpu", "cuda" or "cuda:N".</param>
    /// <exception cref="ArgumentException">The name is none of these.</exception>
    /// <exception cref="InvalidOperationException">libtorch sees no such device.</exception>
    public static void Choose(string name)
    {
        if (DeviceName.Parse(name) is not { } index)
        {
            s_current = CPU;
            return;
        }

        int count = DeviceSelection.CudaDevices();
        s_current = index < count ? device(DeviceType.CUDA, index) : throw new InvalidOperationException(
            count == 0
                ? $"'{name}' needs an NVIDIA GPU, and libtorch sees none: build with -p:TorchBackend=cuda on a machine that has one and its driver."
                : $"'{name}' is not there: libtorch sees {count} CUDA device(s), numbered from 0.");
    }

    /// <summary>Moves a tensor to the device, out of every scope.</summary>
    /// <param name="made">A tensor in the CPU's memory, which is disposed.</param>
    public static Tensor Move(Tensor made) => DeviceTable.Upload(made, Current).DetachFromDisposeScope();

    /// <summary>Waits until the device has done all it was given, which a time includes.</summary>
    public static void Synchronize()
    {
        if (Current.type == DeviceType.CUDA)
        {
            cuda.synchronize();
        }
    }
}
