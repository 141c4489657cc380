namespace Microsoft.ML.VideoAlignment.Memory;

/// <summary>The memory that a training run takes besides tensors.</summary>
internal static class RuntimeMemory
{
    // Linux x64, .NET 10, libtorch 2.10 with one thread, 20 steps of a model of each family that has next to no weights (`-- --runtime-memory` of the
    // benchmarks): the peak of resident memory above a started libtorch less the estimated tensors was 88 (ModelScope), 93 (VideoCrafter), 66 (Open-Sora) and
    // 86 MB (Stable Video Diffusion). Of it about 25 MB are pages of libtorch's code that are touched first, 10 MB assemblies, 10 MB compiled methods,
    // 15 to 30 MB managed garbage of a step, and the rest blocks below 64 kB that glibc does not return.
    private const long OnCpu = 90_000_000;

    // Assumed, not measured: CUDA's context with the kernels of libtorch, and the workspaces of cuBLAS and cuDNN.
    private const long CudaContext = 600_000_000;

    // Assumed, not measured: what the caching allocator loses between blocks, in shares of the tensors.
    private const double Fragmentation = 0.05;

    /// <summary>Gets the bytes taken on a kind of device.</summary>
    /// <param name="device">The kind of device.</param>
    /// <param name="tensors">The bytes of all tensors at the run's worst moment.</param>
    public static long Estimate(DeviceType device, long tensors) => device == DeviceType.CPU ? OnCpu : CudaContext + (long)(Fragmentation * tensors);
}
