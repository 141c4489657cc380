namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>
/// Weights as whole numbers from -127 to 127 times one scale for each output channel (the first axis), the channel's largest magnitude / 127:
/// |w - s q| is at most s / 2. The symmetric scheme of Jacob et al. 2018 (arXiv 1712.05877) for weights alone; what is computed is float32.
/// </summary>
internal static class ChannelQuantization
{
    /// <summary>Suffix of the scale's name, which is otherwise the weight's.</summary>
    public const string ScaleSuffix = "_scale";

    private const double Largest = 127;

    /// <summary>Rounds a weight to whole numbers. Channels are independent, so a weight may come in parts of some of them.</summary>
    /// <param name="weight">[out, ...], floating.</param>
    /// <returns>int8 of the weight's shape, and float32 scales [out].</returns>
    public static (Tensor Whole, Tensor Scale) Quantize(Tensor weight)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor wide = weight.to_type(ScalarType.Float32);
        Tensor scale = wide.flatten(1).abs().amax([1]).Div(Largest);
        Tensor steps = scale.where(scale.GreaterThan(0), ones_like(scale)); // a channel of zeros
        Tensor whole = (wide / Broadcast(steps, wide)).round_().to_type(ScalarType.Int8);
        return (whole.MoveToOuterDisposeScope(), scale.MoveToOuterDisposeScope());
    }

    /// <summary>Computes the weight from its whole numbers.</summary>
    /// <param name="whole">int8 [out, ...].</param>
    /// <param name="scale">[out].</param>
    /// <param name="dtype">Type of the result.</param>
    /// <returns>A fresh tensor, laid out as the whole numbers are.</returns>
    public static Tensor Dequantize(Tensor whole, Tensor scale, ScalarType dtype)
    {
        using Tensor steps = Broadcast(scale, whole);
        using Tensor typed = steps.to_type(dtype);
        Tensor weight = whole.to_type(dtype);
        return weight.mul_(typed);
    }

    private static Tensor Broadcast(Tensor scale, Tensor weight) => scale.view([-1, .. Enumerable.Repeat(1L, (int)weight.ndim - 1)]);
}
