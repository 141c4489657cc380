namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>Channels-last memory: a tensor of shape [N, C, H, W] whose elements lie as [N, H, W, C].</summary>
/// <remarks>
/// On the CPU convolutions are 1.2 to 2.5 times faster on it, and turning images into tokens [N, H*W, C], or frames into videos [B, C, T, H*W], costs nothing.
/// </remarks>
internal static class MemoryLayout
{
    /// <summary>Makes a tensor that lies in memory as another does.</summary>
    /// <param name="shape">[N, C, H, W].</param>
    /// <param name="like">[n, c, h, w], of the type and on the device to use.</param>
    /// <returns>A tensor without values.</returns>
    public static Tensor Empty(long[] shape, Tensor like)
    {
        if (like.stride(1) != 1)
        {
            return empty(shape, dtype: like.dtype, device: like.device);
        }

        using Tensor packed = empty([shape[0], shape[2], shape[3], shape[1]], dtype: like.dtype, device: like.device);
        return packed.permute(0, 3, 1, 2);
    }

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
