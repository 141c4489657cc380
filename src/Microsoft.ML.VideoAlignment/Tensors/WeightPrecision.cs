using System.Diagnostics.CodeAnalysis;

namespace Microsoft.ML.VideoAlignment;

/// <summary>How frozen weights are stored.</summary>
[SuppressMessage("Naming", "CA1720:Identifiers should not contain type names", Justification = "They are the names of stored types.")]
public enum WeightPrecision
{
    /// <summary>float32: 4 bytes a weight.</summary>
    Float32,

    /// <summary>bfloat16: 2 bytes, the range of float32 and 8 bits of mantissa.</summary>
    BFloat16,

    /// <summary>float16: 2 bytes, 11 bits of mantissa.</summary>
    Float16,

    /// <summary>
    /// int8 with one float32 scale for each output channel, its largest magnitude / 127: 1 byte for the weights of linear layers and convolutions, each within
    /// half a scale of what it was. Norms, biases, embeddings and small layers are float16.
    /// </summary>
    Int8,
}
