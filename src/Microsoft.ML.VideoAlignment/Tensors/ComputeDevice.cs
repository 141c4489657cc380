namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>Where a tensor is computed, and what a device computes natively.</summary>
internal static class ComputeDevice
{
    // NVIDIA's Ampere is the first that has instructions for it; older cards compute it in float32 and convert.
    private static readonly Version s_bfloat16Since = new(8, 0);

    /// <summary>Whether to use the CPU code path: the tensor is in its memory, or has only a shape and stands for one that is.</summary>
    /// <param name="x">Any shape.</param>
    public static bool IsCpu(Tensor x) => x.device_type == DeviceType.CPU || (MetaOps.IsMeta(x) && RunContext.IsForCpu);

    /// <summary>Finds what is known of a device.</summary>
    /// <param name="device">A device of this machine; the meta device stands for the CPU.</param>
    public static IComputeDevice Describe(Device device) => device.type switch
    {
        DeviceType.CUDA => new CudaDevice(CudaRuntime.Loaded, Math.Max(device.index, 0)),
        DeviceType.META => new UnknownDevice(DeviceType.CPU),
        _ => new UnknownDevice(device.type),
    };

    /// <summary>Whether a device is known to compute bfloat16 natively: an NVIDIA GPU of compute capability 8.0 or more.</summary>
    /// <param name="device">The device.</param>
    public static bool HasBFloat16(IComputeDevice device) => device.Type == DeviceType.CUDA && device.ComputeCapability >= s_bfloat16Since;

    /// <summary>The half type for a device.</summary>
    /// <param name="device">The device.</param>
    /// <returns>null: float32 is faster there.</returns>
    public static ComputePrecision? HalfPrecision(IComputeDevice device) => device.Type != DeviceType.CUDA ? null
        : HasBFloat16(device) ? ComputePrecision.BFloat16 : ComputePrecision.Float16;
}
