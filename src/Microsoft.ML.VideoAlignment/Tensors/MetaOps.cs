namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>
/// Operations that libtorch does not have for the meta device, by shapes alone: each gives an empty result, keeps for the backward pass what libtorch's own keeps,
/// and gives empty gradients.
/// </summary>
internal static class MetaOps
{
    /// <summary>Whether a tensor has no numbers.</summary>
    public static bool IsMeta(Tensor x) => x.device_type == DeviceType.META;

    /// <summary>Counts what code that does not use these operations has made and still holds.</summary>
    /// <param name="result">What the code returned.</param>
    public static void Record(Tensor result) => MemoryProfiler.Sample(result);

    /// <summary>What a scalar says, once the device has it; 0 where there are no numbers.</summary>
    public static double Number(Tensor scalar) => IsMeta(scalar) ? 0 : scalar.AsDouble();

    /// <summary>x: [N, in, H, W]; weight: [out, in, k, l] -> [N, out, H', W'], channels-last. Input and weight are kept, whichever is trained.</summary>
    public static Tensor Convolution(Tensor x, Tensor weight, Tensor? bias, long[] stride, long[] padding)
    {
        long OutputSide(int axis) => ((x.shape[axis] + (2 * padding[axis - 2]) - weight.shape[axis]) / stride[axis - 2]) + 1;
        return Run(EmptyLike([x.shape[0], weight.shape[0], OutputSide(2), OutputSide(3)], x, channelsLast: true), [x, weight, .. Stub(bias)], [0, 1]);
    }

    /// <summary>x: [N, in, h, w]; weight: [in, out, k, l] -> [N, out, H, W], channels-last.</summary>
    public static Tensor TransposedConvolution(Tensor x, Tensor weight, Tensor? bias, long[] stride, long[] padding)
    {
        long OutputSide(int axis) => ((x.shape[axis] - 1) * stride[axis - 2]) - (2 * padding[axis - 2]) + weight.shape[axis];
        return Run(EmptyLike([x.shape[0], weight.shape[1], OutputSide(2), OutputSide(3)], x, channelsLast: true), [x, weight, .. Stub(bias)], [0, 1]);
    }

    /// <summary>Queries [N, h, L, d], keys and values [N, h, M, d] -> [N, h, L, d], which lies as [N, L, h, d]. The fused kernel keeps all four and no scores.</summary>
    public static Tensor Attention(Tensor q, Tensor k, Tensor v)
    {
        long[] shape = [q.shape[0], q.shape[2], q.shape[1], v.shape[3]];
        return Run(() => empty(shape, dtype: q.dtype, device: META).transpose(1, 2), [q, k, v], [0, 1, 2], keepsResult: true);
    }

    /// <summary>A norm of any kind: x -> its shape; x is kept.</summary>
    public static Tensor Norm(Tensor x, Tensor? weight, Tensor? bias) =>
        Run(EmptyLike(x.shape, x, IsChannelsLast(x)), [x, .. Stub(weight), .. Stub(bias)], [0]);

    /// <summary>A function of each number by itself, such as relu: x -> its shape; x, or as much, is kept.</summary>
    public static Tensor Pointwise(Tensor x) => Norm(x, weight: null, bias: null);

    /// <summary><paramref name="count"/> slices along an axis.</summary>
    public static Tensor Select(Tensor x, int axis, long count)
    {
        long[] shape = [.. x.shape];
        shape[axis] = count;
        return Run(EmptyLike(shape, x, channelsLast: false), [x], []);
    }

    /// <summary>As torch.where, of two tensors of one shape; the condition is kept.</summary>
    public static Tensor Where(Tensor condition, Tensor first, Tensor second) =>
        Run(EmptyLike(second.shape, second, IsChannelsLast(second)), [first, second, condition], [2]);

    private static Tensor Run(Func<Tensor> make, Tensor[] inputs, int[] kept, bool keepsResult = false)
    {
        Tensor y = is_grad_enabled() && inputs.Any(input => input.requires_grad) ? CustomFunction.Run(new Operation(make, kept, keepsResult), inputs) : make();
        MemoryProfiler.Sample([y, .. inputs]);
        return y;
    }

    /// <summary>Makes an empty tensor of this shape.</summary>
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
        // Not as saved variables: TorchSharp holds those until the whole graph goes, libtorch's own operations until they have run backward.
        private Tensor[] _kept = [];
        private Func<Tensor>?[] _gradients = [];

        public override string Name => nameof(MetaOps);

        public override Tensor Forward(IReadOnlyList<Tensor> inputs, ICollection<Tensor> saved)
        {
            Tensor y = make();
            _kept = [.. kept.Select(index => inputs[index]).Concat(keepsResult ? [y] : []).Select(tensor => tensor.detach().DetachFromDisposeScope())];
            _gradients = [.. inputs.Select(input => input.requires_grad ? EmptyLike(input.shape, input, IsChannelsLast(input)) : null)];
            return y;
        }

        public override IReadOnlyList<Tensor?> Backward(BackwardCall call)
        {
            Tensor?[] gradients = [.. _gradients.Select(gradient => gradient?.Invoke())];
            MemoryProfiler.Sample([call.Gradient, .. gradients]);
            foreach (Tensor tensor in _kept)
            {
                tensor.Dispose();
            }

            return gradients;
        }
    }
}
