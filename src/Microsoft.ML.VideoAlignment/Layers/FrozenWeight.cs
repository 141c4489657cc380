using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>A layer's weight as it is stored.</summary>
/// <param name="Stored">[out, ...], floating, or whole numbers from -127 to 127.</param>
/// <param name="Scale">[out], factors of the whole numbers; null: the weight is floating.</param>
/// <param name="Streamed">Brings the numbers of a weight that waits elsewhere; null: <paramref name="Stored"/> has them.</param>
internal readonly record struct FrozenWeight(Tensor Stored, Tensor? Scale, StreamedWeight? Streamed = null)
{
    /// <summary>Whether the weight to compute with is made at each use, so that a graph should not hold it.</summary>
    /// <param name="dtype">Type of the computation.</param>
    public bool IsMadeFor(ScalarType dtype) => Streamed is not null || Stored.dtype != dtype;

    /// <summary>The weight to compute with; a fresh handle, which may share the stored weight's memory.</summary>
    /// <param name="dtype">Type of the result.</param>
    public Tensor ConvertTo(ScalarType dtype)
    {
        using Tensor? fetched = Streamed?.Fetch();
        Tensor numbers = fetched ?? Stored;
        return Scale is null ? numbers.to_type(dtype) : ChannelQuantization.Dequantize(numbers, Scale, dtype);
    }
}
