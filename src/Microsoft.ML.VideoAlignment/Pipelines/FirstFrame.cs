using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Video;

namespace Microsoft.ML.VideoAlignment.Pipelines;

/// <summary>A picture as the beginning of a video: RGB in [0, 1] and of the video's size.</summary>
internal static class FirstFrame
{
    // Resizing overshoots and 16-bit storage rounds; a picture of 8-bit numbers is far outside.
    private const double Slack = 0.01;

    /// <summary>
    /// pictures: [B, 3, H, W] in [0, 1] -> [B, 3, height, width] in [0, 1], resized (bicubic with antialias) where the size is another. Carries gradient.
    /// </summary>
    /// <exception cref="ArgumentException">Another shape, or values outside [0, 1] (not looked at where gradient is asked for).</exception>
    public static Tensor Fit(Tensor pictures, int height, int width)
    {
        Shapes.Require(pictures, "B, 3, H, W");
        if (!pictures.is_floating_point())
        {
            throw new ArgumentException($"Image: expected RGB numbers in [0, 1], got {pictures.dtype}. Divide 8-bit values by 255.", nameof(pictures));
        }

        if (!pictures.requires_grad)
        {
            RequireUnitRange(pictures);
        }

        if (pictures.shape[2] == height && pictures.shape[3] == width)
        {
            return pictures.alias();
        }

        using Tensor resized = Resize.Apply(pictures, height, width, Interpolation.Bicubic, antialias: true);
        return UnitRange.Clamp(resized);
    }

    private static void RequireUnitRange(Tensor pictures)
    {
        using DisposeScope scope = NewDisposeScope();
        (double least, double most) = (pictures.min().AsDouble(), pictures.max().AsDouble());
        if (!(least >= -Slack && most <= 1 + Slack))
        {
            throw new ArgumentException(
                FormattableString.Invariant($"Image: expected RGB in [0, 1], got values from {least:g4} to {most:g4}. Divide 8-bit values by 255; map [-1, 1] by x / 2 + 0.5."),
                nameof(pictures));
        }
    }
}
