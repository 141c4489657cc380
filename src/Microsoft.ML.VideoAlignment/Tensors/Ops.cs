namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>The operations that cost: products, convolutions, attention, norms, and what libtorch lacks on the meta device.</summary>
/// <remarks>
/// Each runs by shapes alone where its operands are on that device, and tells the flow's observers (<see cref="RunContext"/>) when it is done. Without an
/// observer that asks for ops, that costs nothing.
/// </remarks>
internal static class Ops
{
    // Blocks of a CUDA kernel along the axis of its grid that rows and heads lie on.
    private const long LargestGrid = 65_535;

    // Numbers of a group up to which libtorch's group norm is computed in float64. It computes a x + b with b = -a mean, which loses what the mean is larger
    // than the deviation; of two numbers that is what rounding makes of it, different on each processor.
    private const long FewNumbers = 64;

    /// <summary>x W^T + b.</summary>
    /// <param name="x">[..., in].</param>
    /// <param name="weight">W [out, in].</param>
    /// <param name="bias">b [out]; null: none.</param>
    /// <returns>[..., out].</returns>
    public static Tensor Linear(Tensor x, Tensor weight, Tensor? bias = null)
    {
        using Tensor input = PrecisionPolicy.Cast(OpKind.Product, x), matrix = weight.to_type(input.dtype);
        using Tensor? added = bias?.to_type(input.dtype);
        Tensor y = nn.functional.linear(input, matrix, added);
        if (RunContext.ObservesOps)
        {
            RunContext.OpDone(new OpRecord(OpKind.Product, x.numel() * weight.shape[0], y, [x, weight]));
        }

        return y;
    }

    /// <summary>Matrix products, one operand broadcast to the other.</summary>
    /// <param name="a">[..., n, k].</param>
    /// <param name="b">[..., k, m].</param>
    /// <returns>[..., n, m].</returns>
    public static Tensor MatMul(Tensor a, Tensor b)
    {
        using Tensor left = PrecisionPolicy.Cast(OpKind.Product, a), right = PrecisionPolicy.Cast(OpKind.Product, b);
        Tensor y = left.matmul(right);
        if (RunContext.ObservesOps)
        {
            RunContext.OpDone(new OpRecord(OpKind.Product, y.numel() * a.shape[^1], y, [a, b]));
        }

        return y;
    }

    /// <summary>Matrix products, one for each row.</summary>
    /// <param name="a">[N, n, k].</param>
    /// <param name="b">[N, k, m].</param>
    /// <returns>[N, n, m].</returns>
    public static Tensor Bmm(Tensor a, Tensor b)
    {
        using Tensor left = PrecisionPolicy.Cast(OpKind.Product, a), right = PrecisionPolicy.Cast(OpKind.Product, b);
        Tensor y = left.bmm(right);
        if (RunContext.ObservesOps)
        {
            RunContext.OpDone(new OpRecord(OpKind.Product, a.numel() * b.shape[2], y, [a, b]));
        }

        return y;
    }

    /// <summary>Convolution over two axes.</summary>
    /// <param name="x">[N, in, H, W].</param>
    /// <param name="weight">[out, in, k, l].</param>
    /// <param name="bias">[out]; null: none.</param>
    /// <param name="stride">Along H and W; null: 1.</param>
    /// <param name="padding">Along H and W; null: none.</param>
    /// <returns>[N, out, H', W'].</returns>
    public static Tensor Conv(Tensor x, Tensor weight, Tensor? bias, long[]? stride = null, long[]? padding = null)
    {
        ScalarType given = PrecisionPolicy.TypeFor(OpKind.Product, x.dtype), type = PrecisionPolicy.TypeOfConvolution(x, weight);
        using Tensor input = x.to_type(type), kernels = weight.to_type(type);
        using Tensor? added = bias?.to_type(type);
        Tensor y = MetaOps.IsMeta(x)
            ? MetaOps.Convolution(input, kernels, added, stride ?? [1, 1], padding ?? [0, 0])
            : nn.functional.conv2d(input, kernels, added, stride, padding);
        if (type != given)
        {
            using Tensor wide = y;
            y = wide.to_type(given);
        }

        if (RunContext.ObservesOps)
        {
            RunContext.OpDone(new OpRecord(OpKind.Product, y.numel() * (weight.numel() / weight.shape[0]), y, [x, weight]));
        }

        return y;
    }

    /// <summary>The gradient of <see cref="Conv"/> to its input.</summary>
    /// <param name="gradient">The gradient of the output, [N, out, H', W'].</param>
    /// <param name="weight">[out, in, k, l].</param>
    /// <param name="input">The input's shape, [N, in, H, W].</param>
    /// <param name="stride">Along H and W.</param>
    /// <param name="padding">Along H and W.</param>
    /// <returns>[N, in, H, W].</returns>
    public static Tensor ConvAdjoint(Tensor gradient, Tensor weight, IReadOnlyList<long> input, long[] stride, long[] padding)
    {
        // Where the stride does not divide the size, the transposed convolution must be told of the rest.
        long[] rest = [.. Enumerable.Range(0, 2).Select(axis =>
            input[axis + 2] - ((gradient.shape[axis + 2] - 1) * stride[axis]) + (2 * padding[axis]) - weight.shape[axis + 2])];
        return ConvTranspose(gradient, weight, null, stride, padding, rest);
    }

    /// <summary>Transposed convolution over two axes.</summary>
    /// <param name="x">[N, in, h, w].</param>
    /// <param name="weight">[in, out, k, l].</param>
    /// <param name="bias">[out]; null: none.</param>
    /// <param name="stride">Along H and W.</param>
    /// <param name="padding">Along H and W.</param>
    /// <param name="rest">Rows and columns more at the end, fewer than the stride; null: none.</param>
    /// <returns>[N, out, H, W].</returns>
    public static Tensor ConvTranspose(Tensor x, Tensor weight, Tensor? bias, long[] stride, long[] padding, long[]? rest = null)
    {
        using Tensor input = PrecisionPolicy.Cast(OpKind.Product, x), kernels = weight.to_type(input.dtype);
        using Tensor? added = bias?.to_type(input.dtype);
        Tensor y = MetaOps.IsMeta(x)
            ? MetaOps.TransposedConvolution(input, kernels, added, stride, padding, rest ?? [0, 0])
            : nn.functional.conv_transpose2d(input, kernels, added, strides: stride, padding: padding, output_padding: rest);
        if (RunContext.ObservesOps)
        {
            RunContext.OpDone(new OpRecord(OpKind.Product, x.numel() * (weight.numel() / weight.shape[0]), y, [x, weight]));
        }

        return y;
    }

    /// <summary>Softmax(q k^T / sqrt(d)) v in one kernel.</summary>
    /// <param name="q">[N, h, L, d].</param>
    /// <param name="k">[N, h, M, d].</param>
    /// <param name="v">[N, h, M, d].</param>
    /// <param name="mask">Boolean, or added to the scores; null: none.</param>
    /// <param name="causal">Whether each query sees the keys up to its own place alone.</param>
    /// <param name="largestGrid">Rows and heads, N h, that a kernel takes; more are cut along N. Null: what the device's kernels take.</param>
    /// <returns>[N, h, L, d].</returns>
    /// <remarks>
    /// Over a single key the kernels leave rounding noise where queries and keys have no gradient, each processor its own, which Adam would make whole steps
    /// of; written out, that gradient is exactly zero.
    /// </remarks>
    public static Tensor Attention(Tensor q, Tensor k, Tensor v, Tensor? mask = null, bool causal = false, long? largestGrid = null)
    {
        long rows = Math.Max(1, (largestGrid ?? (ComputeDevice.IsCpu(q) ? long.MaxValue : LargestGrid)) / q.shape[1]);
        return q.shape[0] <= rows ? AttendAtOnce(q, k, v, mask, causal) : AttendInParts(q, k, v, mask, causal, rows);
    }

    /// <summary>Whether <see cref="GroupNorm"/> applies SiLU in its own pass to this tensor.</summary>
    /// <param name="x">[N, C, ...].</param>
    public static bool FusesSilu(Tensor x) => (CpuKernels.Fits(x) && x.ndim == 4) || PrecisionPolicy.IsHalf(x);

    /// <summary>Group norm, over the channels of a group and all axes after the channels'.</summary>
    /// <param name="x">[N, C, ...].</param>
    /// <param name="groups">Groups of channels, a divisor of C.</param>
    /// <param name="weight">[C], of any floating type.</param>
    /// <param name="bias">[C], of any floating type.</param>
    /// <param name="eps">Added to the variance.</param>
    /// <param name="silu">Whether SiLU follows; only where <see cref="FusesSilu"/>.</param>
    /// <returns>The shape of x.</returns>
    public static Tensor GroupNorm(Tensor x, long groups, Tensor weight, Tensor bias, double eps, bool silu = false) =>
        PrecisionPolicy.IsHalf(x) ? new HalfGroupNorm(groups, weight, bias, eps, silu).Run(x) : GroupNormInType(x, groups, weight, bias, eps, silu);

    /// <summary>Layer norm over the last axis.</summary>
    /// <param name="x">[..., D].</param>
    /// <param name="shape">Its size, [D].</param>
    /// <param name="weight">[D], of any floating type; null: 1.</param>
    /// <param name="bias">[D], of any floating type; null: 0.</param>
    /// <param name="eps">Added to the variance.</param>
    /// <returns>The shape of x.</returns>
    public static Tensor LayerNorm(Tensor x, long[] shape, Tensor? weight, Tensor? bias, double eps) =>
        PrecisionPolicy.RunWide(
            OpKind.Norm,
            operands =>
            {
                Tensor wide = operands[0];
                using Tensor? gamma = weight is null ? null : operands[1].to_type(wide.dtype), beta = bias is null ? null : operands[^1].to_type(wide.dtype);
                return Done(MetaOps.IsMeta(wide) ? MetaOps.Norm(wide, gamma, beta) : nn.functional.layer_norm(wide, shape, gamma, beta, eps), [wide]);
            },
            [x, .. new[] { weight, bias }.OfType<Tensor>()]);

    /// <summary>a + b.</summary>
    /// <param name="a">Any shape.</param>
    /// <param name="b">A shape that broadcasts with a's.</param>
    /// <returns>The broadcast shape.</returns>
    public static Tensor Add(Tensor a, Tensor b) => Done(a.Add(b), [a, b]);

    /// <summary>a - b.</summary>
    /// <inheritdoc cref="Add"/>
    public static Tensor Subtract(Tensor a, Tensor b) => Done(a - b, [a, b]);

    /// <summary>The larger of a and b, number by number.</summary>
    /// <param name="a">Any shape.</param>
    /// <param name="b">The shape of a.</param>
    /// <returns>The shape of a.</returns>
    public static Tensor Maximum(Tensor a, Tensor b) => Done(MetaOps.IsMeta(a) ? MetaOps.Pair(a, b) : maximum(a, b), [a, b]);

    /// <summary>x held between two numbers.</summary>
    /// <param name="x">Any shape.</param>
    /// <param name="least">Lower bound.</param>
    /// <param name="most">Upper bound.</param>
    /// <returns>The shape of x.</returns>
    public static Tensor Clamp(Tensor x, double least, double most) => Done(MetaOps.IsMeta(x) ? MetaOps.Pointwise(x) : x.Clamp(least, most), [x]);

    /// <summary>|x|.</summary>
    /// <param name="x">Any shape.</param>
    /// <returns>The shape of x.</returns>
    public static Tensor Abs(Tensor x) => Done(MetaOps.IsMeta(x) ? MetaOps.Pointwise(x) : x.abs(), [x]);

    /// <summary>max(x, 0).</summary>
    /// <inheritdoc cref="Abs"/>
    public static Tensor Relu(Tensor x) => Done(MetaOps.IsMeta(x) ? MetaOps.Pointwise(x) : x.relu(), [x]);

    /// <summary>log(1 / (1 + e^-x)).</summary>
    /// <inheritdoc cref="Abs"/>
    public static Tensor LogSigmoid(Tensor x) => Done(MetaOps.IsMeta(x) ? MetaOps.Pointwise(x) : nn.functional.logsigmoid(x), [x]);

    /// <summary>x to a power.</summary>
    /// <param name="x">Any shape.</param>
    /// <param name="exponent">The power.</param>
    /// <returns>The shape of x.</returns>
    public static Tensor Pow(Tensor x, double exponent) => Done(x.Pow(exponent), [x]);

    /// <summary>x divided by a number.</summary>
    /// <param name="x">Any shape.</param>
    /// <param name="divisor">The number.</param>
    /// <returns>The shape of x.</returns>
    public static Tensor Divide(Tensor x, double divisor) => Done(x.Div(divisor), [x]);

    /// <summary>x multiplied by a number.</summary>
    /// <param name="x">Any shape.</param>
    /// <param name="factor">The number.</param>
    /// <returns>The shape of x.</returns>
    public static Tensor Multiply(Tensor x, double factor) => Done(x.Mul(factor), [x]);

    /// <summary>Slices along an axis, in the order asked for; one may come more than once.</summary>
    /// <param name="x">Any shape.</param>
    /// <param name="axis">The axis, from 0.</param>
    /// <param name="index">int64 [n], on x's device.</param>
    /// <returns>The shape of x with n along the axis.</returns>
    public static Tensor IndexSelect(Tensor x, int axis, Tensor index) =>
        Done(MetaOps.IsMeta(x) ? MetaOps.Select(x, axis, index.numel()) : x.index_select(axis, index), [x]);

    /// <summary>Complex numbers of absolute value 1.</summary>
    /// <param name="angles">Radians, float32 of any shape.</param>
    /// <returns>The shape of the angles, complex.</returns>
    public static Tensor UnitComplex(Tensor angles)
    {
        if (MetaOps.IsMeta(angles))
        {
            return empty(angles.shape, dtype: ScalarType.ComplexFloat32, device: META);
        }

        using Tensor one = ones_like(angles);
        return polar(one, angles);
    }

    /// <summary>Tensors one after another along an axis.</summary>
    /// <param name="parts">At least one; shapes agree but for the axis.</param>
    /// <param name="axis">The axis, from 0.</param>
    /// <returns>A fresh tensor.</returns>
    public static Tensor Cat(IReadOnlyList<Tensor> parts, int axis = 0) => Done(cat([.. parts], axis), []);

    /// <summary>Tells the flow's observers of a result that took no products.</summary>
    /// <param name="y">The result.</param>
    /// <param name="others">Further tensors that are alive; null entries are passed over.</param>
    /// <returns>The result.</returns>
    internal static Tensor Done(Tensor y, ReadOnlySpan<Tensor?> others) => RunContext.OpDone(y, others);

    private static Tensor GroupNormInType(Tensor x, long groups, Tensor weight, Tensor bias, double eps, bool silu)
    {
        using Tensor gamma = weight.to_type(x.dtype), beta = bias.to_type(x.dtype);
        return FusesSilu(x) ? GroupNormKernel.Run(x, gamma, beta, groups, eps, silu)
            : Done(MetaOps.IsMeta(x) ? MetaOps.Norm(x, gamma, beta) : GroupNormByLibtorch(x, groups, gamma, beta, eps), [x]);
    }

    private static Tensor GroupNormByLibtorch(Tensor x, long groups, Tensor weight, Tensor bias, double eps)
    {
        if (x.numel() > FewNumbers * groups * x.shape[0])
        {
            return nn.functional.group_norm(x, groups, weight, bias, eps);
        }

        using DisposeScope scope = NewDisposeScope();
        Tensor gamma = weight.to_type(ScalarType.Float64), beta = bias.to_type(ScalarType.Float64);
        Tensor y = nn.functional.group_norm(x.to_type(ScalarType.Float64), groups, gamma, beta, eps);
        return y.to_type(x.dtype).MoveToOuterDisposeScope();
    }

    // Laid out as one call's result, [N, L, h, d] in memory.
    private static Tensor AttendInParts(Tensor q, Tensor k, Tensor v, Tensor? mask, bool causal, long rows)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor[] queries = q.split(rows), keys = k.split(rows), values = v.split(rows);
        Tensor[]? masks = mask is { ndim: 4 } && mask.shape[0] == q.shape[0] ? mask.split(rows) : null;
        Tensor[] parts = [.. queries.Select((part, i) => AttendAtOnce(part, keys[i], values[i], masks?[i] ?? mask, causal).transpose(1, 2))];
        return Cat(parts).transpose(1, 2).MoveToOuterDisposeScope();
    }

    private static Tensor AttendAtOnce(Tensor q, Tensor k, Tensor v, Tensor? mask, bool causal)
    {
        using Tensor queries = PrecisionPolicy.Cast(OpKind.FusedAttention, q), keys = k.to_type(queries.dtype), values = v.to_type(queries.dtype);
        using Tensor? added = mask is null || mask.dtype == ScalarType.Bool ? mask?.alias() : mask.to_type(queries.dtype);
        Tensor y = MetaOps.IsMeta(q) ? MetaOps.Attention(queries, keys, values)
            : k.shape[2] == 1 ? AttendToSingleKey(queries, keys, values, added)
            : nn.functional.scaled_dot_product_attention(queries, keys, values, added, is_casual: causal);
        if (RunContext.ObservesOps)
        {
            RunContext.OpDone(new OpRecord(OpKind.FusedAttention, 0, y, [q, k, v]));
        }

        return y;
    }

    private static Tensor AttendToSingleKey(Tensor q, Tensor k, Tensor v, Tensor? mask)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor scores = q.matmul(k.transpose(2, 3)).Div(Math.Sqrt(q.shape[3])); // [N, h, L, 1]
        scores = mask is null ? scores : mask.dtype == ScalarType.Bool ? scores.MaskedFill(mask.logical_not(), double.NegativeInfinity) : scores.Add(mask);
        return scores.softmax(-1).matmul(v).MoveToOuterDisposeScope();
    }
}
