namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>
/// Tensors of a CUDA device that wait in pinned memory of the CPU. Copies both ways are queued in the device's stream and no one waits for them, so the CPU goes
/// on preparing kernels meanwhile; TorchSharp 0.107 knows no other streams, so the device itself copies between kernels and not beside them.
/// </summary>
internal static class HostMemory
{
    /// <summary>Whether a tensor has elsewhere to wait: one on the CPU has not.</summary>
    public static bool Takes(Tensor x) => x.device_type == DeviceType.CUDA || (MetaOps.IsMeta(x) && !MemoryProfiler.EstimatesCpu);

    /// <summary>A copy of x that takes none of the device's memory, strides as they are; libtorch pins what it copies to the CPU without waiting.</summary>
    public static Tensor Out(Tensor x) => MetaOps.IsMeta(x) ? empty(0, dtype: x.dtype, device: META) : x.to(CPU, non_blocking: true);

    /// <summary>What <see cref="Out"/> was given, on its device again.</summary>
    public static Tensor Back(Tensor waiting, Device device, long[] shape, long[] strides)
    {
        BackwardObserver.Notify(BackwardObserver.OffloadedInput);
        return waiting.device_type == DeviceType.META
            ? empty_strided(shape, strides, dtype: waiting.dtype, device: META)
            : waiting.to(device, non_blocking: true);
    }
}
