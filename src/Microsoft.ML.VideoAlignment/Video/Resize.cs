using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Video;

/// <summary>
/// Resizes as torchvision.transforms.functional.resize does on tensors: out = W_h x image x W_w^T, one matrix [out, in] per axis, pixel centers at i + 0.5.
/// </summary>
/// <remarks>The matrices are made in float64 on the host; the gradient is their transposes. Bicubic overshoot is kept.</remarks>
internal static class Resize
{
    /// <summary>Resizes an image.</summary>
    /// <param name="image">[..., H, W].</param>
    /// <param name="height">The height of the result in pixels.</param>
    /// <param name="width">The width of the result in pixels.</param>
    /// <param name="interpolation">How pixels are weighed.</param>
    /// <param name="antialias">Whether the filter widens where the image shrinks; ignored by the nearest-pixel modes.</param>
    /// <returns>[..., height, width] in the image's dtype and on its device.</returns>
    public static Tensor Apply(Tensor image, long height, long width, Interpolation interpolation, bool antialias)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor rows = Matrix(image.shape[^2], height, interpolation, antialias, image.dtype, image.device);
        Tensor columns = Matrix(image.shape[^1], width, interpolation, antialias, image.dtype, image.device);
        return Apply(image, rows, columns).MoveToOuterDisposeScope();
    }

    /// <summary>Resizes an image by the matrices of its axes.</summary>
    /// <param name="image">[..., H, W].</param>
    /// <param name="rows">[height, H], see <see cref="Matrix"/>.</param>
    /// <param name="columns">[width, W], see <see cref="Matrix"/>.</param>
    /// <returns>[..., height, width].</returns>
    public static Tensor Apply(Tensor image, Tensor rows, Tensor columns)
    {
        using Tensor across = columns.t();
        using Tensor wide = image.matmul(across);
        return rows.matmul(wide);
    }

    /// <summary>The height and width when the short side becomes <paramref name="size"/>; the long side is truncated.</summary>
    /// <param name="height">The height before, in pixels.</param>
    /// <param name="width">The width before, in pixels.</param>
    /// <param name="size">The short side after, in pixels.</param>
    public static (long Height, long Width) FitShortSide(long height, long width, long size) =>
        height <= width ? (size, size * width / height) : (size * height / width, size);

    /// <summary>Makes the matrix of one axis.</summary>
    /// <param name="input">The number of pixels before.</param>
    /// <param name="output">The number of pixels after.</param>
    /// <param name="interpolation">How pixels are weighed.</param>
    /// <param name="antialias">Whether the filter widens where the axis shrinks; ignored by the nearest-pixel modes.</param>
    /// <param name="dtype">The type of the result.</param>
    /// <param name="device">The device of the result.</param>
    /// <returns>[output, input].</returns>
    public static Tensor Matrix(long input, long output, Interpolation interpolation, bool antialias, ScalarType dtype, Device device) =>
        DeviceTable.ForRun(
            (nameof(Resize), input, output, interpolation, antialias), dtype, device, () => tensor(Weights(input, output, interpolation, antialias)));

    private static double[,] Weights(long input, long output, Interpolation interpolation, bool antialias)
    {
        double[,] weights = new double[output, input];
        double scale = (double)input / output;
        bool cubic = interpolation == Interpolation.Bicubic;
        for (long i = 0; i < output; i++)
        {
            switch (interpolation)
            {
                // The reference computes these positions in float32, and a whole number one ulp off would pick the neighbor.
                case Interpolation.Nearest:
                    weights[i, Math.Min((long)MathF.Floor(i * ((float)input / output)), input - 1)] = 1;
                    break;
                case Interpolation.NearestExact:
                    weights[i, Math.Min((long)MathF.Floor((i + 0.5f) * ((float)input / output)), input - 1)] = 1;
                    break;
                default:
                    if (antialias)
                    {
                        Antialiased(weights, i, scale, cubic);
                    }
                    else
                    {
                        Interpolated(weights, i, scale, cubic);
                    }

                    break;
            }
        }

        return weights;
    }

    // The filter is stretched over the pixels that one output pixel covers, cut at the border, and its weights are made to sum to 1.
    private static void Antialiased(double[,] weights, long i, double scale, bool cubic)
    {
        double stretch = Math.Max(scale, 1);
        double support = (cubic ? 2 : 1) * stretch;
        double center = (i + 0.5) * scale;
        long from = Math.Max((long)(center - support + 0.5), 0);
        long to = Math.Min((long)(center + support + 0.5), weights.GetLength(1));
        double sum = 0;
        for (long j = from; j < to; j++)
        {
            double x = (j + 0.5 - center) / stretch;
            weights[i, j] = cubic ? Cubic(x, -0.5) : Math.Max(0, 1 - Math.Abs(x));
            sum += weights[i, j];
        }

        for (long j = from; j < to; j++)
        {
            weights[i, j] /= sum;
        }
    }

    // Two or four taps whatever the scale; indices beyond the border are clamped to it. The cubic's a is -0.75 here, -0.5 above, as in the reference.
    private static void Interpolated(double[,] weights, long i, double scale, bool cubic)
    {
        long last = weights.GetLength(1) - 1;
        double position = ((i + 0.5) * scale) - 0.5;
        if (!cubic)
        {
            position = Math.Max(position, 0);
        }

        long floor = (long)Math.Floor(position);
        for (long j = cubic ? floor - 1 : floor; j <= floor + (cubic ? 2 : 1); j++)
        {
            double x = position - j;
            weights[i, Math.Clamp(j, 0, last)] += cubic ? Cubic(x, -0.75) : 1 - Math.Abs(x);
        }
    }

    /// <summary>Keys's cubic convolution kernel (1981), eq. 15 with free a.</summary>
    /// <param name="x">The distance from the center, in pixels.</param>
    /// <param name="a">The free parameter: -0.5 or -0.75.</param>
    internal static double Cubic(double x, double a)
    {
        x = Math.Abs(x);
        return x < 1 ? ((((a + 2) * x) - (a + 3)) * x * x) + 1 : x < 2 ? a * ((((x - 5) * x) + 8) * x - 4) : 0;
    }
}
