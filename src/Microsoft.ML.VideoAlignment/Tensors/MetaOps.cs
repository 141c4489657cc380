namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>
/// Operations that libtorch lacks on the meta device, by shapes alone: each gives an empty result, keeps for the backward pass what libtorch's own keeps, and
/// gives empty gradients.
/// </summary>
internal static class MetaOps
{
    /// <summary>Whether a tensor has a shape and no numbers.</summary>
    /// <param name="x">Any shape.</param>
    public static bool IsMeta(Tensor x) => x.device_type == DeviceType.META;

    /// <summary>A convolution; input and weight are kept, whichever is trained.</summary>
    /// <param name="x">[N, in, H, W].</param>
    /// <param name="weight">[out, in, k, l].</param>
    /// <param name="bias">[out]; null: none.</param>
    /// <param name="stride">Along H and W.</param>
    /// <param name="padding">Along H and W.</param>
    /// <returns>[N, out, H', W'], channels-last.</returns>
    public static Tensor Convolution(Tensor x, Tensor weight, Tensor? bias, long[] stride, long[] padding)
    {
        long OutputSide(int axis) => ((x.shape[axis] + (2 * padding[axis - 2]) - weight.shape[axis]) / stride[axis - 2]) + 1;
        return Run(EmptyLike([x.shape[0], weight.shape[0], OutputSide(2), OutputSide(3)], x, channelsLast: true), [x, weight, .. Stub(bias)], [0, 1]);
    }

    /// <summary>A transposed convolution; input and weight are kept.</summary>
    /// <param name="x">[N, in, h, w].</param>
    /// <param name="weight">[in, out, k, l].</param>
    /// <param name="bias">[out]; null: none.</param>
    /// <param name="stride">Along H and W.</param>
    /// <param name="padding">Along H and W.</param>
    /// <param name="rest">Rows and columns more at the end.</param>
    /// <returns>[N, out, H, W], channels-last.</returns>
    public static Tensor TransposedConvolution(Tensor x, Tensor weight, Tensor? bias, long[] stride, long[] padding, long[] rest)
    {
        long OutputSide(int axis) => ((x.shape[axis] - 1) * stride[axis - 2]) - (2 * padding[axis - 2]) + weight.shape[axis] + rest[axis - 2];
        return Run(EmptyLike([x.shape[0], weight.shape[1], OutputSide(2), OutputSide(3)], x, channelsLast: true), [x, weight, .. Stub(bias)], [0, 1]);
    }

    /// <summary>The fused kernel of attention, which keeps operands and result and no scores.</summary>
    /// <param name="q">[N, h, L, d].</param>
    /// <param name="k">[N, h, M, d].</param>
    /// <param name="v">[N, h, M, d].</param>
    /// <returns>[N, h, L, d], laid out as [N, L, h, d].</returns>
    public static Tensor Attention(Tensor q, Tensor k, Tensor v)
    {
        long[] shape = [q.shape[0], q.shape[2], q.shape[1], v.shape[3]];
        return Run(() => empty(shape, dtype: q.dtype, device: META).transpose(1, 2), [q, k, v], [0, 1, 2], keepsResult: true);
    }

    /// <summary>A norm of any kind; the input is kept.</summary>
    /// <param name="x">Any shape.</param>
    /// <param name="weight">Any shape; null: none.</param>
    /// <param name="bias">Any shape; null: none.</param>
    /// <returns>The shape of x.</returns>
    public static Tensor Norm(Tensor x, Tensor? weight, Tensor? bias) =>
        Run(EmptyLike(x.shape, x, IsChannelsLast(x)), [x, .. Stub(weight), .. Stub(bias)], [0]);

    /// <summary>A function of each number by itself, such as relu; the input, or as much, is kept.</summary>
    /// <param name="x">Any shape.</param>
    /// <returns>The shape of x.</returns>
    public static Tensor Pointwise(Tensor x) => Norm(x, weight: null, bias: null);

    /// <summary>Slices along an axis; nothing is kept.</summary>
    /// <param name="x">Any shape.</param>
    /// <param name="axis">The axis, from 0.</param>
    /// <param name="count">Number of slices.</param>
    /// <returns>The shape of x with that many along the axis.</returns>
    public static Tensor Select(Tensor x, int axis, long count)
    {
        long[] shape = [.. x.shape];
        shape[axis] = count;
        return Run(EmptyLike(shape, x, channelsLast: false), [x], []);
    }

    /// <summary>A function of pairs of numbers, such as the larger of two; both operands are kept.</summary>
    /// <param name="first">Any shape.</param>
    /// <param name="second">The shape of the first.</param>
    /// <returns>The shape of the first.</returns>
    public static Tensor Pair(Tensor first, Tensor second) => Run(EmptyLike(first.shape, first, IsChannelsLast(first)), [first, second], [0, 1]);

    private static Tensor Run(Func<Tensor> make, Tensor[] inputs, int[] kept, bool keepsResult = false)
    {
        return is_grad_enabled() && inputs.Any(input => input.requires_grad) ? CustomFunction.Run(new Operation(make, kept, keepsResult), inputs) : make();
    }

    // Makes an empty tensor of this shape.
    private static Func<Tensor> EmptyLike(long[] shape, Tensor x, bool channelsLast)
    {
        ScalarType dtype = x.dtype;
        return channelsLast
            ? () => empty([shape[0], shape[2], shape[3], shape[1]], dtype: dtype, device: META).permute(0, 3, 1, 2)
            : () => empty(shape, dtype: dtype, device: META);
    }

    private static bool IsChannelsLast(Tensor x) => x.ndim == 4 && x.stride(1) == 1;

    private static Tensor[] Stub(Tensor? tensor) => tensor is null ? [] : [tensor];

    private sealed class Operation(Func<Tensor> make, int[] kept, bool keepsResult) : DifferentiableOperation
    {
        private Func<Tensor>?[] _gradients = [];

        public override string Name => nameof(MetaOps);

        public override Tensor Forward(IReadOnlyList<Tensor> inputs, ICollection<Tensor> saved)
        {
            Tensor y = make();
            foreach (Tensor tensor in kept.Select(index => inputs[index]).Concat(keepsResult ? [y] : []))
            {
                saved.Add(tensor.detach());
            }

            _gradients = [.. inputs.Select(input => input.requires_grad ? EmptyLike(input.shape, input, IsChannelsLast(input)) : null)];
            return y;
        }

        public override IReadOnlyList<Tensor?> Backward(BackwardCall call)
        {
            Tensor?[] gradients = [.. _gradients.Select(gradient => gradient?.Invoke())];
            RunContext.OpDone(call.Gradient, gradients);
            return gradients;
        }
    }
}
