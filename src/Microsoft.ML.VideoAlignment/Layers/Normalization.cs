using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>torch.nn.GroupNorm: statistics over the channels of a group and every axis after the channels'. Keeps channels-last memory.</summary>
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

    /// <summary>Groups of channels.</summary>
    public long Groups => _groups;

    /// <summary>
    /// Whether each channel is a group of its own: the norm then takes away whatever is the same all over a channel, such as a shift by the time embedding.
    /// </summary>
    public bool RemovesShifts => _groups == _weight.shape[0];

    /// <summary>Whether a group is one number, which minus its mean is zero: the norm then gives its bias whatever comes in.</summary>
    /// <param name="x">[N, C, ...].</param>
    public bool RemovesAll(Tensor x) => RemovesShifts && x.numel() == x.shape[0] * x.shape[1];

    /// <summary>Normalizes.</summary>
    /// <param name="x">[N, C, ...].</param>
    /// <returns>The shape of x.</returns>
    public override Tensor forward(Tensor x) => Normalize(x, silu: false);

    /// <summary>The activation of the normalized x; SiLU joins the norm's own pass where there is a kernel for it.</summary>
    /// <param name="x">[N, C, ...].</param>
    /// <param name="activation">The activation.</param>
    /// <param name="moments">Mean and variance of what x is a part of, [N, G, 2], see <see cref="GroupMoments"/>; null: those of x.</param>
    /// <returns>The shape of x.</returns>
    public Tensor ForwardActivated(Tensor x, Activation activation, Tensor? moments = null)
    {
        if (moments is not null)
        {
            Tensor part = GroupMoments.Normalize(x, moments, _weight, _bias, _eps, silu: activation.IsSilu);
            return activation.IsSilu ? part : activation.Apply(part);
        }

        if (activation.IsSilu && Ops.FusesSilu(x))
        {
            return Normalize(x, silu: true);
        }

        using Tensor normal = forward(x);
        return activation.Apply(normal);
    }

    /// <summary>Makes what is added all over each channel before this norm. Where the norm takes it away again it is zero, with a gradient of zero.</summary>
    /// <param name="layer">Makes a number for each channel.</param>
    /// <param name="input">[R, in].</param>
    /// <param name="uniform">Whether one number goes to all that the norm's statistics span; false: frames have their own.</param>
    /// <returns>[R, C].</returns>
    /// <remarks>The norm's own formula would leave rounding noise there, different on each processor, which Adam would make whole steps of.</remarks>
    public Tensor ComputeShift(Linear layer, Tensor input, bool uniform = true)
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

    private Tensor Normalize(Tensor x, bool silu)
    {
        if (RemovesAll(x))
        {
            // The gradient to x is zero; by the norm's own formula it would be what rounding leaves of a difference.
            using Tensor nothing = x.Mul(0);
            using Tensor shift = _bias.to_type(x.dtype);
            using Tensor constant = nothing.Add(shift.view([-1, .. Enumerable.Repeat(1L, (int)x.ndim - 2)]));
            return silu ? nn.functional.silu(constant) : constant.alias();
        }

        return Ops.GroupNorm(x, _groups, _weight, _bias, _eps, silu);
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

    /// <summary>Normalizes.</summary>
    /// <param name="x">[..., D].</param>
    /// <returns>The shape of x.</returns>
    public override Tensor forward(Tensor x) => Ops.LayerNorm(x, _shape, _weight, _bias, _eps);
}
