using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Video;

namespace Microsoft.ML.VideoAlignment.Sampling;

/// <summary>An image as the beginning of a video: RGB in [0, 1] and of the video's size.</summary>
internal static class FirstFrame
{
    // Resizing overshoots and 16-bit storage rounds; an image of 8-bit numbers is far outside.
    private const double Slack = 0.01;

    /// <summary>Resizes images (bicubic with antialias) where their size is another; carries gradient.</summary>
    /// <param name="images">[B, 3, H, W], RGB in [0, 1].</param>
    /// <param name="height">Height in pixels.</param>
    /// <param name="width">Width in pixels.</param>
    /// <returns>[B, 3, height, width] in [0, 1].</returns>
    /// <exception cref="ArgumentException">Another shape, or values outside [0, 1] (not checked where gradient is asked for).</exception>
    public static Tensor Fit(Tensor images, int height, int width)
    {
        Shapes.Require(images, "B, 3, H, W");
        if (!images.is_floating_point())
        {
            throw new ArgumentException($"Image: expected RGB numbers in [0, 1], got {images.dtype}. Divide 8-bit values by 255.", nameof(images));
        }

        if (!images.requires_grad)
        {
            RequireUnitRange(images);
        }

        if (images.shape[2] == height && images.shape[3] == width)
        {
            return images.alias();
        }

        using Tensor resized = Resize.Apply(images, height, width, Interpolation.Bicubic, antialias: true);
        return UnitRange.Clamp(resized);
    }

    private static void RequireUnitRange(Tensor images)
    {
        using DisposeScope scope = NewDisposeScope();
        double[] ends = HostRead.Numbers<double>(stack([images.min(), images.max()]).to_type(ScalarType.Float64));
        (double least, double most) = (ends[0], ends[1]);
        if (!(least >= -Slack && most <= 1 + Slack))
        {
            throw new ArgumentException(
                FormattableString.Invariant($"Image: expected RGB in [0, 1], got values from {least:g4} to {most:g4}. ")
                    + "Divide 8-bit values by 255; map [-1, 1] by x / 2 + 0.5.",
                nameof(images));
        }
    }
}
