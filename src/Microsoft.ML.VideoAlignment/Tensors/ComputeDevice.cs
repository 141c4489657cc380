namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>Where a tensor is computed.</summary>
internal static class ComputeDevice
{
    /// <summary>Whether to use the CPU code path: the tensor is in its memory, or has only a shape and stands for one that is.</summary>
    /// <param name="x">Any shape.</param>
    public static bool IsCpu(Tensor x) => x.device_type == DeviceType.CPU || (MetaOps.IsMeta(x) && RunContext.IsForCpu);
}
