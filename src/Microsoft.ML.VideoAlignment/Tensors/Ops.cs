namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>
/// Everything that multiplies matrices: counted by the thread's <see cref="FlopCounter"/>, and by shapes alone where libtorch has no kernel for the meta device.
/// </summary>
internal static class Ops
{
    /// <summary>x: [..., in]; weight: [out, in]; bias: [out] -> x W^T + b, [..., out].</summary>
    public static Tensor Linear(Tensor x, Tensor weight, Tensor? bias = null)
    {
        FlopCounter.Current?.Product(x.numel() * weight.shape[0], x, weight);
        return nn.functional.linear(x, weight, bias);
    }

    /// <summary>a: [..., n, k]; b: [..., k, m] -> [..., n, m], one broadcast to the other.</summary>
    public static Tensor MatMul(Tensor a, Tensor b)
    {
        Tensor y = a.matmul(b);
        FlopCounter.Current?.Product(y.numel() * a.shape[^1], a, b);
        return y;
    }

    /// <summary>a: [N, n, k]; b: [N, k, m] -> [N, n, m].</summary>
    public static Tensor Bmm(Tensor a, Tensor b)
    {
        FlopCounter.Current?.Product(a.numel() * b.shape[2], a, b);
        return a.bmm(b);
    }

    /// <summary>x: [N, in, H, W]; weight: [out, in, k, l] -> [N, out, H', W']. Stride 1 and no padding unless given.</summary>
    public static Tensor Conv(Tensor x, Tensor weight, Tensor? bias, long[]? stride = null, long[]? padding = null)
    {
        Tensor y = MetaOps.IsMeta(x)
            ? MetaOps.Convolution(x, weight, bias, stride ?? [1, 1], padding ?? [0, 0])
            : nn.functional.conv2d(x, weight, bias, stride, padding);
        FlopCounter.Current?.Product(y.numel() * (weight.numel() / weight.shape[0]), x, weight);
        return y;
    }

    /// <summary>x: [N, in, h, w]; weight: [in, out, k, l] -> [N, out, H, W].</summary>
    public static Tensor ConvTranspose(Tensor x, Tensor weight, Tensor? bias, long[] stride, long[] padding)
    {
        FlopCounter.Current?.Product(x.numel() * (weight.numel() / weight.shape[0]), x, weight);
        return MetaOps.IsMeta(x)
            ? MetaOps.TransposedConvolution(x, weight, bias, stride, padding)
            : nn.functional.conv_transpose2d(x, weight, bias, strides: stride, padding: padding);
    }

    /// <summary>
    /// Softmax(q k^T / sqrt(d)) v in one kernel: queries [N, h, L, d], keys and values [N, h, M, d] -> [N, h, L, d]. <paramref name="mask"/>: boolean, or added
    /// to the scores; null: none. <paramref name="causal"/>: each query sees the keys up to its own place. Over a single key the kernels leave rounding noise where queries and
    /// keys have no gradient, each processor its own, which Adam would make whole steps of; written out, that gradient is exactly zero.
    /// </summary>
    public static Tensor Attention(Tensor q, Tensor k, Tensor v, Tensor? mask = null, bool causal = false)
    {
        FlopCounter.Current?.Attention(q, k, v);
        return k.shape[2] == 1 && !MetaOps.IsMeta(q) ? AttendToSingleKey(q, k, v, mask) : MetaOps.IsMeta(q) ? MetaOps.Attention(q, k, v) : nn.functional.scaled_dot_product_attention(q, k, v, mask, is_casual: causal);
    }

    private static Tensor AttendToSingleKey(Tensor q, Tensor k, Tensor v, Tensor? mask)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor scores = q.matmul(k.transpose(2, 3)).Div(Math.Sqrt(q.shape[3])); // [N, h, L, 1]
        scores = mask is null ? scores : mask.dtype == ScalarType.Bool ? scores.MaskedFill(mask.logical_not(), double.NegativeInfinity) : scores.Add(mask);
        return scores.softmax(-1).matmul(v).MoveToOuterDisposeScope();
    }
}
