using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>torch.nn.GroupNorm: statistics over the channels of a group and everything behind the channel axis. Keeps channels-last memory.</summary>
internal sealed class GroupNorm : nn.Module<Tensor, Tensor>
{
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

    /// <summary>x: [N, C, H, W] -> the same shape.</summary>
    public override Tensor forward(Tensor x) => Normalize(x, silu: false);

    /// <summary>The activation of the normalised x; SiLU joins the norm's own pass where there is a kernel for it.</summary>
    public Tensor Activated(Tensor x, Activation activation)
    {
        if (activation.IsSilu && HasKernel(x))
        {
            return Normalize(x, silu: true);
        }

        using Tensor normal = forward(x);
        return activation.Apply(normal);
    }

    private static bool HasKernel(Tensor x) => CpuKernels.Fits(x) && x.ndim == 4;

    private Tensor Normalize(Tensor x, bool silu)
    {
        using Tensor weight = _weight.to_type(x.dtype);
        using Tensor bias = _bias.to_type(x.dtype);
        return HasKernel(x) ? GroupNormKernel.Run(x, weight, bias, _groups, _eps, silu)
            : ShapeOnly.Holds(x) ? ShapeOnly.Norm(x, weight, bias)
            : nn.functional.group_norm(x, _groups, weight, bias, _eps);
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
    public static Tensor Of(Tensor x, long[] shape, Tensor? weight, Tensor? bias, double eps) =>
        ShapeOnly.Holds(x) ? ShapeOnly.Norm(x, weight, bias) : nn.functional.layer_norm(x, shape, weight, bias, eps);

    /// <summary>x: [..., D] -> the same shape.</summary>
    public override Tensor forward(Tensor x)
    {
        using Tensor weight = _weight.to_type(x.dtype);
        using Tensor bias = _bias.to_type(x.dtype);
        return Of(x, _shape, weight, bias, _eps);
    }
}
