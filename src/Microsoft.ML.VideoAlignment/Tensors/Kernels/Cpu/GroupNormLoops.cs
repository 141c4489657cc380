using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>The four loops of <see cref="GroupNormKernel"/> over rows of channels, sixteen channels at a time.</summary>
/// <remarks>They are optimized at their first call: a run may be short.</remarks>
internal static unsafe class GroupNormLoops
{
    /// <summary>Per channel: sum and sum of squares of the distance to a pivot row, which keeps the squares small where the mean is large.</summary>
    /// <param name="x">The rows.</param>
    /// <param name="pivot">The image's first row.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="channels">Numbers of a row.</param>
    /// <param name="sum">Takes the sums of all channels, then the sums of squares.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Moments(float* x, float* pivot, int rows, int channels, double* sum)
    {
        int c = 0;
        for (; c + CpuKernels.Width <= channels; c += CpuKernels.Width)
        {
            Vector512<float> p = Vector512.Load(pivot + c), s = Vector512<float>.Zero, q = s, s2 = s, q2 = s;
            float* row = x + c;
            int r = 0;
            for (; r + 2 <= rows; r += 2, row += 2 * channels)
            {
                Vector512<float> a = Vector512.Load(row) - p, b = Vector512.Load(row + channels) - p;
                (s, s2) = (s + a, s2 + b);
                q = Vector512.FusedMultiplyAdd(a, a, q);
                q2 = Vector512.FusedMultiplyAdd(b, b, q2);
            }

            if (r < rows)
            {
                Vector512<float> a = Vector512.Load(row) - p;
                s += a;
                q = Vector512.FusedMultiplyAdd(a, a, q);
            }

            (s, q) = (s + s2, q + q2);
            for (int i = 0; i < CpuKernels.Width; i++)
            {
                sum[c + i] = s[i];
                sum[channels + c + i] = q[i];
            }
        }

        for (; c < channels; c++)
        {
            (float s, float q) = (0, 0);
            for (int r = 0; r < rows; r++)
            {
                float a = x[((long)r * channels) + c] - pivot[c];
                s += a;
                q += a * a;
            }

            sum[c] = s;
            sum[channels + c] = q;
        }
    }

    /// <summary>
    /// y = a (x - mean) + b per channel, then SiLU or not. The mean is taken off first: where it is large beside the spread, a x and b - a mean would cancel
    /// each other.
    /// </summary>
    /// <param name="x">The rows.</param>
    /// <param name="y">Takes the result.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="channels">Numbers of a row.</param>
    /// <param name="a">By channel.</param>
    /// <param name="b">By channel.</param>
    /// <param name="means">By channel.</param>
    /// <param name="silu">Whether SiLU follows.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Apply(float* x, float* y, int rows, int channels, float* a, float* b, float* means, bool silu)
    {
        for (int r = 0; r < rows; r++, x += channels, y += channels)
        {
            int c = 0;
            for (; c + CpuKernels.Width <= channels; c += CpuKernels.Width)
            {
                Vector512<float> away = Vector512.Load(x + c) - Vector512.Load(means + c);
                Vector512<float> v = Vector512.FusedMultiplyAdd(away, Vector512.Load(a + c), Vector512.Load(b + c));
                Vector512.Store(silu ? v * CpuKernels.Sigmoid(v) : v, y + c);
            }

            for (; c < channels; c++)
            {
                float v = MathF.FusedMultiplyAdd(x[c] - means[c], a[c], b[c]);
                y[c] = silu ? v / (1 + MathF.Exp(-v)) : v;
            }
        }
    }

    /// <summary>dy = dz * slope of SiLU; per channel the sums of dy and of dy * xhat.</summary>
    /// <param name="x">The rows.</param>
    /// <param name="dz">The gradient of the result.</param>
    /// <param name="dy">Takes the gradient before SiLU.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="channels">Numbers of a row.</param>
    /// <param name="a">By channel.</param>
    /// <param name="b">By channel.</param>
    /// <param name="means">By channel.</param>
    /// <param name="rstds">By channel: 1 / standard deviation.</param>
    /// <param name="silu">Whether SiLU followed; else dy = dz.</param>
    /// <param name="sum">Takes the sums of all channels, then those against xhat.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Slopes(
        float* x, float* dz, float* dy, int rows, int channels, float* a, float* b, float* means, float* rstds, bool silu, double* sum)
    {
        int c = 0;
        for (; c + CpuKernels.Width <= channels; c += CpuKernels.Width)
        {
            Vector512<float> va = Vector512.Load(a + c), vb = Vector512.Load(b + c), mean = Vector512.Load(means + c);
            Vector512<float> s = Vector512<float>.Zero, q = s;
            for (long r = 0, i = c; r < rows; r++, i += channels)
            {
                Vector512<float> away = Vector512.Load(x + i) - mean, d = Vector512.Load(dz + i);
                if (silu)
                {
                    Vector512<float> y = Vector512.FusedMultiplyAdd(away, va, vb);
                    Vector512<float> sigmoid = CpuKernels.Sigmoid(y);
                    d *= sigmoid * Vector512.FusedMultiplyAdd(y, Vector512<float>.One - sigmoid, Vector512<float>.One);
                }

                Vector512.Store(d, dy + i);
                s += d;
                q = Vector512.FusedMultiplyAdd(d, away, q);
            }

            for (int k = 0; k < CpuKernels.Width; k++)
            {
                sum[c + k] = s[k];
                sum[channels + c + k] = (double)q[k] * rstds[c + k];
            }
        }

        for (; c < channels; c++)
        {
            (float s, float q) = (0, 0);
            for (long r = 0, i = c; r < rows; r++, i += channels)
            {
                (float away, float d) = (x[i] - means[c], dz[i]);
                if (silu)
                {
                    float y = MathF.FusedMultiplyAdd(away, a[c], b[c]);
                    float sigmoid = 1 / (1 + MathF.Exp(-y));
                    d *= sigmoid * (1 + (y * (1 - sigmoid)));
                }

                dy[i] = d;
                s += d;
                q += d * away;
            }

            sum[c] = s;
            sum[channels + c] = (double)q * rstds[c];
        }
    }

    /// <summary>dx = a dy + b (x - mean) + constant.</summary>
    /// <param name="x">The rows.</param>
    /// <param name="dx">Holds dy, and takes the result.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="channels">Numbers of a row.</param>
    /// <param name="a">By channel.</param>
    /// <param name="b">By channel.</param>
    /// <param name="constant">By channel.</param>
    /// <param name="means">By channel.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Combine(float* x, float* dx, int rows, int channels, float* a, float* b, float* constant, float* means)
    {
        for (int r = 0; r < rows; r++, x += channels, dx += channels)
        {
            int c = 0;
            for (; c + CpuKernels.Width <= channels; c += CpuKernels.Width)
            {
                Vector512<float> away = Vector512.Load(x + c) - Vector512.Load(means + c);
                Vector512<float> rest = Vector512.FusedMultiplyAdd(away, Vector512.Load(b + c), Vector512.Load(constant + c));
                Vector512.Store(Vector512.FusedMultiplyAdd(Vector512.Load(dx + c), Vector512.Load(a + c), rest), dx + c);
            }

            for (; c < channels; c++)
            {
                dx[c] = (dx[c] * a[c]) + ((x[c] - means[c]) * b[c]) + constant[c];
            }
        }
    }
}
