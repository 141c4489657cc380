using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>A layer's weight as it is stored.</summary>
/// <param name="Stored">[out, ...], floating, or whole numbers from -127 to 127.</param>
/// <param name="Scale">[out], factors of the whole numbers; null: the weight is floating.</param>
internal readonly record struct FrozenWeight(Tensor Stored, Tensor? Scale)
{
    /// <summary>The weight to compute with; a fresh handle, which may share the stored weight's memory.</summary>
    /// <param name="dtype">Type of the result.</param>
    public Tensor ConvertTo(ScalarType dtype) => Scale is null ? Stored.to_type(dtype) : ChannelQuantization.Dequantize(Stored, Scale, dtype);
}
