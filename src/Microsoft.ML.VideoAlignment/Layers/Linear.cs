using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>y = x W^T + b with an adapter slot. Keys <c>weight</c> [out, in] and <c>bias</c> [out], as torch.nn.Linear.</summary>
internal sealed class Linear : nn.Module<Tensor, Tensor>, IAdaptable
{
    private static readonly AdaptedProduct s_product = new(
        Ops.Linear, Ops.Linear, static (gradient, weight, _) => Ops.MatMul(gradient, weight), outputs: -1);

    [ComponentName(Name = "weight")]
    private readonly Parameter _weight;

    [ComponentName(Name = "weight_scale")]
    private readonly Parameter? _scale;

    [ComponentName(Name = "bias")]
    private readonly Parameter? _bias;

    public Linear(long inFeatures, long outFeatures, Placement placement, bool bias = true)
        : base(nameof(Linear))
    {
        _weight = placement.Matrix(outFeatures, inFeatures);
        _scale = placement.Scale(_weight);
        _bias = bias ? placement.Parameter(outFeatures) : null;
        RegisterComponents();
    }

    public Parameter Weight => _weight;

    public Parameter? Bias => _bias;

    public FrozenWeight Frozen => new(_weight, _scale, Slot.Streamed);

    public AdapterSlot Slot { get; } = new();

    /// <summary>y = x W^T + b.</summary>
    /// <param name="x">[..., in].</param>
    /// <returns>[..., out].</returns>
    public override Tensor forward(Tensor x) => s_product.Run(this, x);

    /// <summary>residual + the layer's output.</summary>
    /// <param name="x">[..., in].</param>
    /// <param name="residual">[..., out].</param>
    /// <returns>[..., out].</returns>
    public Tensor ForwardAdded(Tensor x, Tensor residual)
    {
        using Tensor y = forward(x);
        return Ops.Add(residual, y);
    }

    /// <summary>factor * the layer's output.</summary>
    /// <param name="x">[..., in].</param>
    /// <param name="factor">The factor.</param>
    /// <returns>[..., out].</returns>
    public Tensor ForwardScaled(Tensor x, double factor) => s_product.RunScaled(this, x, factor);

    /// <summary>Weight and bias to compute with, the adapter's part included (with its graph): for kernels that take a layer apart.</summary>
    /// <param name="dtype">Type of the input.</param>
    public (Tensor Weight, Tensor Bias) MergedWeight(ScalarType dtype) =>
        (Slot.MergedWeight(Frozen, dtype), _bias is null ? zeros(_weight.shape[0], dtype: dtype, device: _weight.device) : _bias.to_type(dtype));
}
