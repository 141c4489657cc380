using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Video;

/// <summary>Maps decoder pixels to frames, which are RGB in [0, 1], clamps to that range, and standardizes frames for image networks.</summary>
internal static class UnitRange
{
    /// <summary>
    /// Computes clamp(x / 2 + 0.5, 0, 1), as VADER's released code does before every reward. The gradient is 0.5 inside, 0 outside and at the bounds.
    /// </summary>
    /// <param name="pixels">Any shape, about [-1, 1], not clamped.</param>
    /// <returns>The same shape, in [0, 1].</returns>
    public static Tensor FromSigned(Tensor pixels)
    {
        using Tensor halved = pixels.Div(2);
        using Tensor shifted = halved.Add(0.5);
        return Clamp(shifted);
    }

    /// <summary>
    /// Computes clamp(x, 0, 1) with gradient 1 inside and 0 outside and at the bounds, as the reference results of the conformance suite have it. NaN stays
    /// NaN.
    /// </summary>
    /// <remarks>libtorch's own clamp lets gradient through at the bounds.</remarks>
    /// <param name="x">Any shape, any range.</param>
    public static Tensor Clamp(Tensor x)
    {
        using DisposeScope scope = NewDisposeScope();
        return x.clone().MaskedFillInPlace(x.AtMost(0), 0).MaskedFillInPlace(x.AtLeast(1), 1).MoveToOuterDisposeScope();
    }

    /// <summary>Computes (x - mean) / std, channel by channel, as image networks expect it.</summary>
    /// <param name="images">[N, 3, H, W], RGB in [0, 1].</param>
    /// <param name="mean">The mean of each channel.</param>
    /// <param name="std">The standard deviation of each channel.</param>
    /// <returns>The same shape.</returns>
    public static Tensor Standardize(Tensor images, (float R, float G, float B) mean, (float R, float G, float B) std)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor Channels((float R, float G, float B) values) =>
            DeviceTable.ForRun((nameof(Standardize), values), images.dtype, images.device, () => tensor([values.R, values.G, values.B])).view(1, 3, 1, 1);
        return ((images - Channels(mean)) / Channels(std)).MoveToOuterDisposeScope();
    }
}
