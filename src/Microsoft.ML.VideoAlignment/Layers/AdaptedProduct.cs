using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>A matrix product or a convolution.</summary>
/// <param name="x">The input.</param>
/// <param name="weight">The weight, in the layout in which it is stored.</param>
/// <param name="bias">[out]; null: none.</param>
/// <returns>A fresh tensor.</returns>
internal delegate Tensor LayerProduct(Tensor x, Tensor weight, Tensor? bias);

/// <summary>
/// The forward pass of every layer with an adapter slot: W x + b, and + scale * up(down(x)) where the adapter runs beside W (LoRA, Hu et al. 2021,
/// arXiv 2106.09685, eq. 3).
/// </summary>
/// <param name="product">The layer's own product, with its stride and padding; it also takes the lower factor, which has the layer's kernel.</param>
/// <param name="up">The product with the upper factor, whose kernel is 1x1.</param>
/// <param name="adjoint">The gradient of the layer's product to its input.</param>
/// <param name="outputs">The axis of the output's channels; -1: the last.</param>
internal sealed class AdaptedProduct(LayerProduct product, LayerProduct up, LayerAdjoint adjoint, int outputs)
{
    /// <summary>Runs the layer with its adapter.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="x">The input, in the layout in which the product takes it.</param>
    /// <param name="shift">[out], added to every output, which joins the bias and so costs nothing; null: none.</param>
    /// <returns>A fresh tensor.</returns>
    public Tensor Run(IAdaptable layer, Tensor x, Tensor? shift = null)
    {
        using DisposeScope scope = NewDisposeScope();
        x = PrecisionPolicy.Cast(OpKind.Product, x);
        Tensor? bias = layer.Bias?.to_type(x.dtype);
        bias = shift is null ? bias : bias is null ? shift : bias.Add(shift);
        Tensor y = layer.Slot.ComputesWithStored(layer.Frozen)
            ? FrozenProduct.Run(product, adjoint, outputs, x, layer.Frozen, bias)
            : product(x, layer.Slot.EffectiveWeight(layer.Frozen, x.dtype), bias);
        if (layer.Slot.UnmergedAdapter(layer.Weight) is { } adapter)
        {
            Tensor low = product(x, adapter.Down.to_type(x.dtype), bias: null).Mul(adapter.Scale);
            y = Ops.Add(y, up(low, adapter.Up.to_type(x.dtype), bias: null));
        }

        return y.MoveToOuterDisposeScope();
    }

    /// <summary>Runs the layer and scales its output; where there is one weight the factor joins it, as it is smaller than the output.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="x">The input, in the layout in which the product takes it.</param>
    /// <param name="factor">The factor of the output.</param>
    /// <returns>A fresh tensor.</returns>
    public Tensor RunScaled(IAdaptable layer, Tensor x, double factor)
    {
        using DisposeScope scope = NewDisposeScope();
        x = PrecisionPolicy.Cast(OpKind.Product, x);
        Tensor y = layer.Slot.UnmergedAdapter(layer.Weight) is null ? RunScaledWeight(layer, x, factor) : Ops.Multiply(Run(layer, x), factor);
        return y.MoveToOuterDisposeScope();
    }

    private Tensor RunScaledWeight(IAdaptable layer, Tensor x, double factor)
    {
        Tensor? bias = layer.Bias?.to_type(x.dtype).Mul(factor);
        return layer.Slot.ComputesWithStored(layer.Frozen)
            ? FrozenProduct.Run(
                (given, weight, added) => product(given, weight.Mul(factor), added),
                (gradient, weight, input) => adjoint(gradient, weight.Mul(factor), input), outputs, x, layer.Frozen, bias)
            : product(x, layer.Slot.EffectiveWeight(layer.Frozen, x.dtype).Mul(factor), bias);
    }
}
