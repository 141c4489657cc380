using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>The gradient of a product to its input.</summary>
/// <param name="gradient">The gradient of the output.</param>
/// <param name="weight">The weight, in the layout in which it is stored.</param>
/// <param name="input">The shape of the input.</param>
/// <returns>The shape of the input.</returns>
internal delegate Tensor LayerAdjoint(Tensor gradient, Tensor weight, IReadOnlyList<long> input);

/// <summary>
/// A product with a frozen weight that is stored in another type than it computes in, or that waits elsewhere: the backward pass finds the stored weight and
/// converts or fetches it again, so that no copy of the weights waits in the graph.
/// </summary>
/// <param name="product">The product.</param>
/// <param name="adjoint">Its gradient to the input.</param>
/// <param name="outputs">The axis of the output's channels.</param>
/// <param name="weight">The stored weight.</param>
internal sealed class FrozenProduct(LayerProduct product, LayerAdjoint adjoint, int outputs, FrozenWeight weight) : DifferentiableOperation
{
    private long[] _input = [];
    private ScalarType _type;

    public override string Name => nameof(FrozenProduct);

    /// <summary>Runs a product with a stored weight; where no gradient is wanted or the graph may hold the weight, the product itself.</summary>
    /// <param name="product">The product.</param>
    /// <param name="adjoint">Its gradient to the input.</param>
    /// <param name="outputs">The axis of the output's channels.</param>
    /// <param name="x">The input, of the type to compute in.</param>
    /// <param name="weight">The stored weight.</param>
    /// <param name="bias">[out], which may carry gradient; null: none.</param>
    /// <returns>A fresh tensor.</returns>
    public static Tensor Run(LayerProduct product, LayerAdjoint adjoint, int outputs, Tensor x, FrozenWeight weight, Tensor? bias) =>
        is_grad_enabled() && x.requires_grad && weight.IsMadeFor(x.dtype)
            ? CustomFunction.Run(new FrozenProduct(product, adjoint, outputs, weight), bias is null ? [x] : [x, bias])
            : product(x, weight.ConvertTo(x.dtype), bias);

    /// <inheritdoc/>
    public override Tensor Forward(IReadOnlyList<Tensor> inputs, ICollection<Tensor> saved)
    {
        using DisposeScope scope = NewDisposeScope();
        (_input, _type) = (inputs[0].shape, inputs[0].dtype);
        return product(inputs[0].detach(), weight.ConvertTo(_type), inputs.Count > 1 ? inputs[1].detach() : null).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override IReadOnlyList<Tensor?> Backward(BackwardCall call)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor? ofInput = call.Required[0] ? adjoint(call.Gradient, weight.ConvertTo(_type), _input).MoveToOuterDisposeScope() : null;
        if (call.Required.Count == 1)
        {
            return [ofInput];
        }

        long axes = call.Gradient.ndim, kept = (outputs + axes) % axes;
        long[] summed = [.. Enumerable.Range(0, (int)axes).Select(axis => (long)axis).Where(axis => axis != kept)];
        return [ofInput, call.Required[1] ? call.Gradient.sum(summed).MoveToOuterDisposeScope() : null];
    }
}
