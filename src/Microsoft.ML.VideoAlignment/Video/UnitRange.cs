using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Video;

/// <summary>Frames are RGB in [0, 1]: how decoder pixels get there, and how values are cut to it.</summary>
internal static class UnitRange
{
    /// <summary>
    /// clamp(x / 2 + 0.5, 0, 1), as VADER's released code does before every reward. Gradient is 0.5 inside, 0 outside and at the bounds.
    /// pixels: any shape, about [-1, 1], not clamped -> the same shape, in [0, 1].
    /// </summary>
    public static Tensor FromSigned(Tensor pixels)
    {
        using Tensor halved = pixels.Div(2);
        using Tensor shifted = halved.Add(0.5);
        return Clamp(shifted);
    }

    /// <summary>
    /// clamp(x, 0, 1) whose gradient is 1 inside and 0 outside and at the bounds, as the reference results of the conformance suite have it.
    /// libtorch's own clamp lets gradient through at the bounds. NaN stays NaN.
    /// </summary>
    public static Tensor Clamp(Tensor x)
    {
        using DisposeScope scope = NewDisposeScope();
        return x.clone().MaskedFillInPlace(x.AtMost(0), 0).MaskedFillInPlace(x.AtLeast(1), 1).MoveToOuterDisposeScope();
    }

    /// <summary>(x - mean) / std, channel by channel, as image networks want it. images: [N, 3, H, W] in [0, 1] -> the same shape.</summary>
    public static Tensor Standardize(Tensor images, (float R, float G, float B) mean, (float R, float G, float B) std)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor Channels((float R, float G, float B) values) => tensor([values.R, values.G, values.B], dtype: images.dtype, device: images.device).view(1, 3, 1, 1);
        return ((images - Channels(mean)) / Channels(std)).MoveToOuterDisposeScope();
    }
}
