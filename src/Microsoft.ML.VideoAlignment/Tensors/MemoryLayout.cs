namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>Channels-last memory: a tensor of shape [N, C, H, W] whose elements lie as [N, H, W, C].</summary>
/// <remarks>
/// On the CPU convolutions are 1.2 to 2.5 times faster on it, and turning images into tokens [N, H*W, C], or frames into videos [B, C, T, H*W], costs nothing.
/// </remarks>
internal static class MemoryLayout
{
    /// <summary>Brings a tensor to channels-last strides; on devices other than the CPU it stays as it is.</summary>
    /// <param name="x">[N, C, H, W].</param>
    /// <returns>The same values, a fresh handle.</returns>
    public static Tensor ChannelsLast(Tensor x)
    {
        if (!ComputeDevice.IsCpu(x) || x.stride(1) == 1)
        {
            return x.alias();
        }

        using Tensor moved = x.permute(0, 2, 3, 1);
        using Tensor packed = moved.contiguous();
        return packed.permute(0, 3, 1, 2);
    }
}
