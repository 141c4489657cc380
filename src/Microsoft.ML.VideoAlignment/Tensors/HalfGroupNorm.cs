namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>
/// GroupNorm of half numbers, followed by SiLU or not: statistics and sums are float32, and only a part of the numbers is float32 at a time. The backward pass
/// finds the half input and the statistics.
/// </summary>
/// <remarks>
/// With n = (x - mean) r, r = (variance + eps)^-1/2 over the M numbers of a group and d = gamma times the gradient of gamma n + beta, the gradient of x is
/// r (d - sum(d) / M - n sum(d n) / M) (Wu and He 2018, arXiv 1803.08494; torch.nn.GroupNorm). The factors gamma and beta get none: they are frozen.
/// </remarks>
/// <param name="groups">Groups of channels, a divisor of C.</param>
/// <param name="weight">Gamma, [C], of any floating type.</param>
/// <param name="bias">Beta, [C], of any floating type.</param>
/// <param name="eps">Added to the variance.</param>
/// <param name="silu">Whether SiLU follows.</param>
internal sealed class HalfGroupNorm(long groups, Tensor weight, Tensor bias, double eps, bool silu) : DifferentiableOperation
{
    // Numbers of a part: about ten tensors of 16 MB are alive at a time.
    private const long LargestPart = 1 << 22;

    public override string Name => nameof(HalfGroupNorm);

    /// <summary>The most float32 numbers at a time; for tests, which make it small.</summary>
    internal long PartLength { get; init; } = LargestPart;

    /// <summary>Runs the norm, and records its backward pass where x carries gradient.</summary>
    /// <param name="x">[N, C, ...], float16 or bfloat16.</param>
    /// <returns>The shape and type of x.</returns>
    public Tensor Run(Tensor x) => is_grad_enabled() && x.requires_grad ? CustomFunction.Run(this, x) : Forward([x], []);

    /// <inheritdoc/>
    public override Tensor Forward(IReadOnlyList<Tensor> inputs, ICollection<Tensor> saved)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = inputs[0], y = RunContext.OpDone(empty_like(x), [x]), gamma = PerChannel(weight), beta = PerChannel(bias);
        (Tensor mean, Tensor scale) = Measure(x);
        InParts(x, (part, place) =>
        {
            Tensor affine = (Normalize(part, mean, scale) * gamma).Add(beta);
            place(y).copy_((silu ? nn.functional.silu(affine) : affine).reshape(part.shape));
        });
        saved.Add(x);
        saved.Add(mean.MoveToOuterDisposeScope());
        saved.Add(scale.MoveToOuterDisposeScope());
        return y.MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override IReadOnlyList<Tensor?> Backward(BackwardCall call)
    {
        using DisposeScope scope = NewDisposeScope();
        (Tensor x, Tensor mean, Tensor scale) = (call.Saved[0], call.Saved[1], call.Saved[2]);
        Tensor gradient = RunContext.OpDone(empty_like(x), [x, call.Gradient]), sum = zeros_like(mean), product = zeros_like(mean);
        Tensor gamma = PerChannel(weight), beta = PerChannel(bias);
        InParts(x, (part, place) =>
        {
            (Tensor normal, Tensor slope) = Slope(part, place);
            sum.AddInPlace(slope.sum([2, 3], keepdim: true));
            product.AddInPlace((slope * normal).sum([2, 3], keepdim: true));
        });
        (Tensor meanSlope, Tensor meanProduct) = (sum.Div(GroupLength(x)), product.Div(GroupLength(x)));
        InParts(x, (part, place) =>
        {
            (Tensor normal, Tensor slope) = Slope(part, place);
            place(gradient).copy_((Ops.Subtract(Ops.Subtract(slope, meanSlope), normal * meanProduct) * scale).reshape(part.shape));
        });
        return [gradient.MoveToOuterDisposeScope()];

        // n, and the gradient of n.
        (Tensor Normal, Tensor Slope) Slope(Tensor part, Func<Tensor, Tensor> place)
        {
            Tensor normal = Normalize(part, mean, scale), given = Grouped(place(call.Gradient).to_type(ScalarType.Float32));
            if (silu)
            {
                Tensor affine = (normal * gamma).Add(beta), gate = affine.sigmoid(); // d silu(a) / da = s(a) (1 + a (1 - s(a)))
                given = given * gate * (affine * gate.Mul(-1).Add(1)).Add(1);
            }

            return (normal, given * gamma);
        }
    }

    // Mean and (variance + eps)^-1/2 of each group, [N, G, 1, 1]. Twice over the numbers: a sum of squares loses what the mean is larger than the deviation.
    private (Tensor Mean, Tensor Scale) Measure(Tensor x)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor sum = zeros([x.shape[0], groups, 1, 1], dtype: ScalarType.Float32, device: x.device), squares = zeros_like(sum);
        InParts(x, (part, _) => sum.AddInPlace(Grouped(part).sum([2, 3], keepdim: true)));
        Tensor mean = sum.Div(GroupLength(x));
        InParts(x, (part, _) => squares.AddInPlace(Ops.Subtract(Grouped(part), mean).Pow(2).sum([2, 3], keepdim: true)));
        return (mean.MoveToOuterDisposeScope(), squares.Div(GroupLength(x)).Add(eps).rsqrt().MoveToOuterDisposeScope());
    }

    // Calls with the float32 numbers of one part after another, and with what finds the part in a tensor of x's shape.
    private void InParts(Tensor x, Action<Tensor, Func<Tensor, Tensor>> work)
    {
        int axis = Enumerable.Range(2, (int)x.ndim - 2).MaxBy(place => x.shape[place]);
        long size = x.shape[axis], length = Math.Clamp(PartLength / Math.Max(1, x.numel() / size), 1, size);
        for (long first = 0; first < size; first += length)
        {
            using DisposeScope scope = NewDisposeScope();
            (long from, long count) = (first, Math.Min(length, size - first));
            Tensor Place(Tensor whole) => whole.narrow(axis, from, count);
            work(RunContext.OpDone(Place(x).to_type(ScalarType.Float32), [x]), Place);
        }
    }

    private double GroupLength(Tensor x) => x.numel() / (double)(x.shape[0] * groups);

    // [N, C, ...] -> [N, G, C / G, the rest].
    private Tensor Grouped(Tensor part) => part.reshape(part.shape[0], groups, part.shape[1] / groups, -1);

    // [C] -> [G, C / G, 1].
    private Tensor PerChannel(Tensor values) => values.to_type(ScalarType.Float32).view(groups, -1, 1);

    private Tensor Normalize(Tensor part, Tensor mean, Tensor scale) => Ops.Subtract(Grouped(part), mean) * scale;
}
