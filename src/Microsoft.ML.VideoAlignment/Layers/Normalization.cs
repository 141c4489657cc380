using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>torch.nn.GroupNorm: statistics over the channels of a group and everything behind the channel axis. Keeps channels-last memory.</summary>
internal sealed class GroupNorm : nn.Module<Tensor, Tensor>
{
    /// <summary>
    /// Numbers of a group up to which libtorch's norm is computed in float64. It computes a x + b with b = -a mean, which loses what the mean is larger than the deviation; of
    /// two numbers that is what rounding makes of it, on each processor another.
    /// </summary>
    private const long FewNumbers = 64;

    [ComponentName(Name = "weight")]
    private readonly Parameter _weight;

    [ComponentName(Name = "bias")]
    private readonly Parameter _bias;

    private readonly long _groups;
    private readonly double _eps;

    public GroupNorm(long groups, long channels, double eps, Placement placement)
        : base(nameof(GroupNorm))
    {
        _weight = placement.Parameter(channels);
        _bias = placement.Parameter(channels);
        (_groups, _eps) = (groups, eps);
        RegisterComponents();
    }

    /// <summary>
    /// Whether each channel is a group of its own: the norm then takes away whatever is the same all over a channel, such as a shift by the time embedding.
    /// </summary>
    public bool RemovesShifts => _groups == _weight.shape[0];

    /// <summary>Whether a group of <paramref name="x"/> is one number, which minus its mean is zero: the norm gives its bias whatever comes in.</summary>
    /// <param name="x">[N, C, ...].</param>
    public bool RemovesAll(Tensor x) => RemovesShifts && x.numel() == x.shape[0] * x.shape[1];

    /// <summary>x: [N, C, H, W] -> the same shape.</summary>
    public override Tensor forward(Tensor x) => Normalize(x, silu: false);

    /// <summary>The activation of the normalized x; SiLU joins the norm's own pass where there is a kernel for it.</summary>
    public Tensor Activated(Tensor x, Activation activation)
    {
        if (activation.IsSilu && HasKernel(x))
        {
            return Normalize(x, silu: true);
        }

        using Tensor normal = forward(x);
        return activation.Apply(normal);
    }

    /// <summary>
    /// What <paramref name="layer"/> makes of <paramref name="input"/>, to be added all over each channel before this norm. Where the norm takes it away again it is zero,
    /// with a gradient of zero: what the norm's own formula leaves is rounding noise, each processor's another, which Adam would make whole steps of.
    /// </summary>
    /// <param name="layer">Makes a number for each channel.</param>
    /// <param name="input">[R, in].</param>
    /// <param name="uniform">Whether one number goes to all that the norm's statistics span; false: frames have their own.</param>
    /// <returns>[R, C].</returns>
    public Tensor Shift(Linear layer, Tensor input, bool uniform = true)
    {
        bool removed = RemovesShifts && uniform;
        layer.Slot.RecordUse(matters: !removed);
        Tensor shift = layer.forward(input);
        if (!removed)
        {
            return shift;
        }

        using Tensor taken = shift;
        return taken.Mul(0);
    }

    private static bool HasKernel(Tensor x) => CpuKernels.Fits(x) && x.ndim == 4;

    private Tensor Normalize(Tensor x, bool silu)
    {
        using Tensor weight = _weight.to_type(x.dtype);
        using Tensor bias = _bias.to_type(x.dtype);
        if (RemovesAll(x) && !MetaOps.IsMeta(x))
        {
            // The gradient to x is zero; by the norm's own formula it would be what rounding leaves of a difference.
            using Tensor nothing = x.Mul(0);
            using Tensor constant = nothing.Add(bias.view([-1, .. Enumerable.Repeat(1L, (int)x.ndim - 2)]));
            return silu ? nn.functional.silu(constant) : constant.alias();
        }

        return HasKernel(x) ? GroupNormKernel.Run(x, weight, bias, _groups, _eps, silu)
            : MetaOps.IsMeta(x) ? MetaOps.Norm(x, weight, bias)
            : ByLibtorch(x, weight, bias);
    }

    private Tensor ByLibtorch(Tensor x, Tensor weight, Tensor bias)
    {
        using DisposeScope scope = NewDisposeScope();
        bool few = x.numel() <= FewNumbers * _groups * x.shape[0];
        Tensor y = few
            ? nn.functional.group_norm(x.to_type(ScalarType.Float64), _groups, weight.to_type(ScalarType.Float64), bias.to_type(ScalarType.Float64), _eps).to_type(x.dtype)
            : nn.functional.group_norm(x, _groups, weight, bias, _eps);
        MemoryProfiler.Sample(y);
        return y.MoveToOuterDisposeScope();
    }
}

/// <summary>torch.nn.LayerNorm over the last axis.</summary>
internal sealed class LayerNorm : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "weight")]
    private readonly Parameter _weight;

    [ComponentName(Name = "bias")]
    private readonly Parameter _bias;

    private readonly long[] _shape;
    private readonly double _eps;

    public LayerNorm(long features, double eps, Placement placement)
        : base(nameof(LayerNorm))
    {
        _weight = placement.Parameter(features);
        _bias = placement.Parameter(features);
        (_shape, _eps) = ([features], eps);
        RegisterComponents();
    }

    /// <summary>The norm with given weights, or none.</summary>
    public static Tensor Normalize(Tensor x, long[] shape, Tensor? weight, Tensor? bias, double eps) =>
        MetaOps.IsMeta(x) ? MetaOps.Norm(x, weight, bias) : nn.functional.layer_norm(x, shape, weight, bias, eps);

    /// <summary>x: [..., D] -> the same shape.</summary>
    public override Tensor forward(Tensor x)
    {
        using Tensor weight = _weight.to_type(x.dtype);
        using Tensor bias = _bias.to_type(x.dtype);
        return Normalize(x, _shape, weight, bias, _eps);
    }
}
