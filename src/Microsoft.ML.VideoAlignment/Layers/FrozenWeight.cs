using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>A layer's weight as it is stored: floating, or whole numbers with a scale for each output channel.</summary>
internal readonly record struct FrozenWeight(Tensor Stored, Tensor? Scale)
{
    /// <summary>To compute with; a fresh handle, which may be the stored weight's.</summary>
    public Tensor As(ScalarType dtype) => Scale is null ? Stored.to_type(dtype) : ChannelQuantization.Restore(Stored, Scale, dtype);
}
