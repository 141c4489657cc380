using System.Buffers;
using System.Runtime.CompilerServices;

namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>
/// GroupNorm, followed by SiLU or not, over channels-last float32 memory on the CPU. Only the input and the statistics are kept for the backward pass.
/// </summary>
/// <remarks>
/// libtorch's own loop over that layout runs along the channels of one group, which are two to eight numbers: 23 ms where this takes one (32 x 64 x 24 x 24, 32
/// groups, one core); its backward pass is as slow.
/// </remarks>
internal static unsafe class GroupNormKernel
{
    // Rows of one slice of work: few enough for float32 sums, which are then added in float64.
    private const int SliceRows = 256;

    /// <summary>Runs the norm, and records its backward pass where gradients are on.</summary>
    /// <param name="x">[N, C, H, W], copied unless channels-last.</param>
    /// <param name="weight">[C].</param>
    /// <param name="bias">[C].</param>
    /// <param name="groups">Groups of channels, a divisor of C.</param>
    /// <param name="eps">Added to the variance.</param>
    /// <param name="silu">Whether SiLU follows.</param>
    /// <returns>The shape of x, channels-last.</returns>
    public static Tensor Run(Tensor x, Tensor weight, Tensor bias, long groups, double eps, bool silu)
    {
        using Tensor packed = MemoryLayout.ChannelsLast(x);
        using Tensor rows = Rows(packed);
        using Tensor y = is_grad_enabled() && (x.requires_grad || weight.requires_grad || bias.requires_grad)
            ? CustomFunction.Run(new Operation(groups, eps, silu), rows, weight, bias)
            : Forward(rows, weight, bias, new Geometry(rows, groups), eps, silu, new float[2 * groups * rows.shape[0]]);
        return y.permute(0, 3, 1, 2);
    }

    // [N, C, H, W] -> [N, H, W, C], contiguous.
    private static Tensor Rows(Tensor channelsLast)
    {
        using Tensor moved = channelsLast.permute(0, 2, 3, 1);
        return moved.contiguous();
    }

    private static Tensor Forward(Tensor x, Tensor weight, Tensor bias, Geometry g, double eps, bool silu, float[] statistics)
    {
        using Tensor gamma = weight.contiguous();
        using Tensor beta = bias.contiguous();
        Tensor y = RunContext.OpDone(empty_like(x), [x]);
        if (MetaOps.IsMeta(x))
        {
            return y;
        }

        float* from = CpuKernels.Address(x);
        float* to = CpuKernels.Address(y);
        float* scale = CpuKernels.Address(gamma);
        float* shift = CpuKernels.Address(beta);
        double[] sums = ArrayPool<double>.Shared.Rent(g.Images * g.Slices * 2 * g.Channels); // every place is written before it is read
        CpuKernels.ParallelFor(g.Images * g.Slices, work =>
        {
            (int image, int first, int count) = g.Slice(work);
            float* image0 = from + ((long)image * g.RowCount * g.Channels);
            fixed (double* sum = &sums[work * 2 * g.Channels])
            {
                GroupNormLoops.Moments(image0 + ((long)first * g.Channels), image0, count, g.Channels, sum);
            }
        });

        for (int image = 0; image < g.Images; image++)
        {
            Statistics(sums, from + ((long)image * g.RowCount * g.Channels), image, g, eps, statistics);
        }

        ArrayPool<double>.Shared.Return(sums);

        CpuKernels.ParallelFor(g.Images * g.Slices, work =>
        {
            (int image, int first, int count) = g.Slice(work);
            float* factor = stackalloc float[2 * g.Channels];
            float* means = factor + g.Channels;
            Coefficients(image, g, statistics, scale, factor, means);
            long start = (((long)image * g.RowCount) + first) * g.Channels;
            GroupNormLoops.Apply(from + start, to + start, count, g.Channels, factor, shift, means, silu);
        });
        return y;
    }

    // Mean and 1 / sqrt(variance + eps) of each group of an image.
    private static void Statistics(double[] sums, float* pivot, int image, Geometry g, double eps, float[] statistics)
    {
        double count = (double)g.RowCount * g.GroupSize;
        for (int group = 0; group < g.Groups; group++)
        {
            (double mean, double squares) = (0, 0);
            for (int pass = 0; pass < 2; pass++)
            {
                for (int c = group * g.GroupSize; c < (group + 1) * g.GroupSize; c++)
                {
                    (double s, double q) = (0, 0);
                    for (int slice = 0; slice < g.Slices; slice++)
                    {
                        int at = (((image * g.Slices) + slice) * 2 * g.Channels) + c;
                        s += sums[at];
                        q += sums[at + g.Channels];
                    }

                    double away = pivot[c] - mean;
                    if (pass == 0)
                    {
                        squares += (pivot[c] * (double)g.RowCount) + s; // the plain sum, for the mean
                    }
                    else
                    {
                        squares += q + (2 * away * s) + (g.RowCount * away * away);
                    }
                }

                if (pass == 0)
                {
                    (mean, squares) = (squares / count, 0);
                }
            }

            statistics[2 * ((image * g.Groups) + group)] = (float)mean;
            statistics[(2 * ((image * g.Groups) + group)) + 1] = (float)(1 / Math.Sqrt(Math.Max(squares / count, 0) + eps));
        }
    }

    // y = factor (x - mean) + shift, both by channel.
    private static void Coefficients(int image, Geometry g, float[] statistics, float* scale, float* factor, float* means)
    {
        for (int c = 0; c < g.Channels; c++)
        {
            int at = 2 * ((image * g.Groups) + (c / g.GroupSize));
            (factor[c], means[c]) = (statistics[at + 1] * scale[c], statistics[at]);
        }
    }

    private static (Tensor Dx, Tensor DWeight, Tensor DBias) Backward(
        Tensor dz, Tensor x, Tensor weight, Tensor bias, Geometry g, bool silu, float[] statistics)
    {
        using Tensor gamma = weight.contiguous();
        using Tensor beta = bias.contiguous();
        Tensor dx = empty_like(x), dWeight = empty_like(gamma), dBias = empty_like(beta);
        RunContext.OpDone(dx, [dz, x]);
        if (MetaOps.IsMeta(x))
        {
            return (dx, dWeight, dBias);
        }

        float* scale = CpuKernels.Address(gamma);
        float* from = CpuKernels.Address(x);
        float* to = CpuKernels.Address(dx);
        double[] sums = ArrayPool<double>.Shared.Rent(g.Images * g.Slices * 2 * g.Channels); // every place is written before it is read
        Slopes(from, CpuKernels.Address(dz), to, scale, CpuKernels.Address(beta), g, silu, statistics, sums);
        float[] groups = GroupSlopes(sums, scale, g, statistics, CpuKernels.Address(dWeight), CpuKernels.Address(dBias));
        ArrayPool<double>.Shared.Return(sums);
        Combine(from, to, scale, g, statistics, groups);
        return (dx, dWeight, dBias);
    }

    // First dL/dy, kept where dL/dx will be, and per channel of a slice its sum and its sum against x.
    private static void Slopes(
        float* from, float* given, float* to, float* scale, float* shift, Geometry g, bool silu, float[] statistics, double[] sums) =>
        CpuKernels.ParallelFor(g.Images * g.Slices, work =>
        {
            (int image, int first, int count) = g.Slice(work);
            float* factor = stackalloc float[3 * g.Channels];
            float* means = factor + g.Channels, rstds = means + g.Channels;
            Coefficients(image, g, statistics, scale, factor, means);
            for (int c = 0; c < g.Channels; c++)
            {
                rstds[c] = statistics[(2 * ((image * g.Groups) + (c / g.GroupSize))) + 1];
            }

            long start = (((long)image * g.RowCount) + first) * g.Channels;
            fixed (double* sum = &sums[work * 2 * g.Channels])
            {
                GroupNormLoops.Slopes(
                    from + start, given + start, to + start, count, g.Channels, factor, shift, means, rstds, silu, sum);
            }
        });

    // Then the slopes of weight and bias, and per group what dx = rstd (gamma dy - mean(gamma dy) - xhat mean(gamma dy xhat)) needs, means over the group:
    // the factor of x - mean, and a constant.
    private static float[] GroupSlopes(double[] sums, float* scale, Geometry g, float[] statistics, float* dGamma, float* dBeta)
    {
        double[] channel = new double[2 * g.Channels];
        double[] weightSums = new double[2 * g.Channels];
        float[] groups = new float[2 * g.Images * g.Groups];
        double elements = (double)g.RowCount * g.GroupSize;
        for (int image = 0; image < g.Images; image++)
        {
            Array.Clear(channel);
            for (int slice = 0; slice < g.Slices; slice++)
            {
                for (int i = 0; i < channel.Length; i++)
                {
                    channel[i] += sums[(((image * g.Slices) + slice) * channel.Length) + i];
                }
            }

            for (int group = 0; group < g.Groups; group++)
            {
                int at = (image * g.Groups) + group;
                (double plain, double against) = (0, 0);
                for (int c = group * g.GroupSize; c < (group + 1) * g.GroupSize; c++)
                {
                    (double dy, double dyxhat) = (channel[c], channel[g.Channels + c]);
                    weightSums[c] += dyxhat;
                    weightSums[g.Channels + c] += dy;
                    plain += scale[c] * dy;
                    against += scale[c] * dyxhat;
                }

                double rstd = statistics[(2 * at) + 1];
                groups[2 * at] = (float)(-rstd * rstd * against / elements);
                groups[(2 * at) + 1] = (float)(-rstd * plain / elements);
            }
        }

        for (int c = 0; c < g.Channels; c++)
        {
            (dGamma[c], dBeta[c]) = ((float)weightSums[c], (float)weightSums[g.Channels + c]);
        }

        return groups;
    }

    // At last dL/dx, of dL/dy and what the groups need.
    private static void Combine(float* from, float* to, float* scale, Geometry g, float[] statistics, float[] groups) =>
        CpuKernels.ParallelFor(g.Images * g.Slices, work =>
        {
            (int image, int first, int count) = g.Slice(work);
            float* factor = stackalloc float[4 * g.Channels];
            float* means = factor + g.Channels, b = means + g.Channels, constant = b + g.Channels;
            Coefficients(image, g, statistics, scale, factor, means);
            for (int c = 0; c < g.Channels; c++)
            {
                int at = 2 * ((image * g.Groups) + (c / g.GroupSize));
                (b[c], constant[c]) = (groups[at], groups[at + 1]);
            }

            long start = (((long)image * g.RowCount) + first) * g.Channels;
            GroupNormLoops.Combine(from + start, to + start, count, g.Channels, factor, b, constant, means);
        });

    private sealed class Operation(long groups, double eps, bool silu) : DifferentiableOperation
    {
        private float[] _statistics = [];

        public override string Name => nameof(GroupNormKernel);

        public override Tensor Forward(IReadOnlyList<Tensor> inputs, ICollection<Tensor> saved)
        {
            (Tensor x, Tensor weight, Tensor bias) = (inputs[0], inputs[1], inputs[2]);
            saved.Add(x);
            saved.Add(weight);
            saved.Add(bias);
            _statistics = new float[2 * groups * x.shape[0]];
            return GroupNormKernel.Forward(x, weight, bias, new Geometry(x, groups), eps, silu, _statistics);
        }

        public override IReadOnlyList<Tensor?> Backward(BackwardCall call)
        {
            (Tensor x, Tensor weight, Tensor bias) = (call.Saved[0], call.Saved[1], call.Saved[2]);
            (Tensor dx, Tensor dWeight, Tensor dBias) =
                GroupNormKernel.Backward(call.Gradient.contiguous(), x, weight, bias, new Geometry(x, groups), silu, _statistics);
            return [call.Required[0] ? dx : null, call.Required[1] ? dWeight : null, call.Required[2] ? dBias : null];
        }
    }

    /// <summary>Images of RowCount rows of Channels numbers, cut into slices of rows.</summary>
    private readonly struct Geometry
    {
        public Geometry(Tensor rows, long groups)
        {
            Images = (int)rows.shape[0];
            RowCount = (int)(rows.shape[1] * rows.shape[2]);
            Channels = (int)rows.shape[3];
            Groups = (int)groups;
            Slices = (RowCount + SliceRows - 1) / SliceRows;
        }

        public int Images { get; }

        public int RowCount { get; }

        public int Channels { get; }

        public int Groups { get; }

        public int Slices { get; }

        public int GroupSize => Channels / Groups;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public (int Image, int First, int Count) Slice(int work)
        {
            (int image, int slice) = Math.DivRem(work, Slices);
            int first = (int)((long)RowCount * slice / Slices);
            return (image, first, (int)((long)RowCount * (slice + 1) / Slices) - first);
        }
    }
}
