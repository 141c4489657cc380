namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>Moves tensors of a CUDA device to pinned memory of the CPU and back.</summary>
/// <remarks>
/// Copies both ways are queued in the device's stream and never waited for, so the CPU goes on preparing kernels meanwhile. TorchSharp 0.107 has no other
/// streams, so the device itself copies between kernels and not beside them.
/// </remarks>
internal static class HostMemory
{
    /// <summary>Whether a tensor can wait elsewhere: not one that is in the CPU's memory already.</summary>
    /// <param name="x">Any shape; on the meta device it stands for one on the run's device.</param>
    public static bool CanOffload(Tensor x) => x.device_type == DeviceType.CUDA || (MetaOps.IsMeta(x) && !RunContext.IsForCpu);

    /// <summary>Copies a tensor out of the device's memory, with its strides; libtorch pins what it copies to the CPU without waiting.</summary>
    /// <param name="x">Any shape.</param>
    public static Tensor Offload(Tensor x) => MetaOps.IsMeta(x) ? empty(0, dtype: x.dtype, device: META) : x.to(CPU, non_blocking: true);

    /// <summary>Copies an input of a block back to its device, and tells of it.</summary>
    /// <param name="waiting">What <see cref="Offload"/> returned.</param>
    /// <param name="device">The device.</param>
    /// <param name="shape">The tensor's shape.</param>
    /// <param name="strides">The tensor's strides.</param>
    public static Tensor Restore(Tensor waiting, Device device, long[] shape, long[] strides)
    {
        RunContext.RestoringInput();
        return CopyBack(waiting, device, shape, strides);
    }

    /// <summary>Copies a tensor back to its device.</summary>
    /// <inheritdoc cref="Restore"/>
    public static Tensor CopyBack(Tensor waiting, Device device, long[] shape, long[] strides) => MetaOps.IsMeta(waiting)
        ? empty_strided(shape, strides, dtype: waiting.dtype, device: META)
        : waiting.to(device, non_blocking: true);
}
