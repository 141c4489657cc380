namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>
/// Channels-last memory: a tensor of shape [N, C, H, W] whose elements lie as [N, H, W, C]. On the CPU convolutions are 1.2 to 2.5 times faster
/// on it, and turning images into tokens [N, H*W, C], or frames into clips [B, C, T, H*W], costs nothing.
/// </summary>
internal static class MemoryLayout
{
    /// <summary>The same values with channels-last strides (on other devices than the CPU: unchanged). x: [N, C, H, W].</summary>
    public static Tensor ChannelsLast(Tensor x)
    {
        if (!CpuKernels.OnCpu(x) || x.stride(1) == 1)
        {
            return x.alias();
        }

        using Tensor moved = x.permute(0, 2, 3, 1);
        using Tensor packed = moved.contiguous();
        return packed.permute(0, 3, 1, 2);
    }
}
