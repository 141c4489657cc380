using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Video;

/// <summary>
/// The resize that Stable Video Diffusion applies before its image encoder: a Gaussian blur where an axis shrinks, then bicubic interpolation with corners
/// aligned.
/// </summary>
/// <remarks>
/// Reference: diffusers, <c>_resize_with_antialiasing</c>. Both are linear along each axis, so an axis is one matrix [out, in], made in float64 on the host.
/// </remarks>
internal static class BlurredResize
{
    private const double LeastSigma = 0.001;
    private const int LeastTaps = 3;

    /// <summary>Resizes an image; the overshoot of the bicubic is kept.</summary>
    /// <param name="image">[..., H, W].</param>
    /// <param name="height">The height of the result in pixels.</param>
    /// <param name="width">The width of the result in pixels.</param>
    /// <returns>[..., height, width] in the image's dtype and on its device.</returns>
    public static Tensor Apply(Tensor image, long height, long width)
    {
        using Tensor rows = Matrix(image.shape[^2], height, image.dtype, image.device);
        using Tensor columns = Matrix(image.shape[^1], width, image.dtype, image.device);
        return Resize.Apply(image, rows, columns);
    }

    private static Tensor Matrix(long input, long output, ScalarType dtype, Device device) =>
        DeviceTable.ForRun((nameof(BlurredResize), input, output), dtype, device, () =>
        {
            using Tensor blur = tensor(Blur(input, output));
            using Tensor interpolation = tensor(Bicubic(input, output));
            return interpolation.matmul(blur);
        });

    // [input, input]: a Gaussian at whole offsets, as wide as the shrinking asks for; indices beyond the border are mirrored at the border pixel.
    private static double[,] Blur(long input, long output)
    {
        double sigma = Math.Max((((double)input / output) - 1) / 2, LeastSigma);
        int taps = (int)Math.Max(4 * sigma, LeastTaps);
        int reach = taps / 2; // an even number of taps gets one more
        double[] kernel = [.. Enumerable.Range(-reach, (2 * reach) + 1).Select(offset => Math.Exp(-offset * offset / (2 * sigma * sigma)))];
        double sum = kernel.Sum();
        double[,] weights = new double[input, input];
        for (long i = 0; i < input; i++)
        {
            for (int tap = 0; tap < kernel.Length; tap++)
            {
                weights[i, Mirrored(i + tap - reach, input)] += kernel[tap] / sum;
            }
        }

        return weights;
    }

    // [output, input]: four taps of Keys's kernel with a = -0.75 around i (input - 1) / (output - 1); indices beyond the border are clamped to it.
    private static double[,] Bicubic(long input, long output)
    {
        double[,] weights = new double[output, input];
        for (long i = 0; i < output; i++)
        {
            double position = output == 1 ? 0 : (double)i * (input - 1) / (output - 1);
            long floor = (long)Math.Floor(position);
            for (long j = floor - 1; j <= floor + 2; j++)
            {
                weights[i, Math.Clamp(j, 0, input - 1)] += Resize.Cubic(position - j, -0.75);
            }
        }

        return weights;
    }

    private static long Mirrored(long index, long length)
    {
        if (length == 1)
        {
            return 0;
        }

        long period = 2 * (length - 1);
        long within = ((index % period) + period) % period;
        return Math.Min(within, period - within);
    }
}
