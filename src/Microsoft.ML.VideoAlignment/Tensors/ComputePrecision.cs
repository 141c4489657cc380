using System.Diagnostics.CodeAnalysis;

namespace Microsoft.ML.VideoAlignment;

/// <summary>What products, convolutions and attention of a frozen network compute in, and what its activations are kept in.</summary>
/// <remarks>
/// LoRA factors, their gradients and the optimizer, losses, the sampler's arithmetic, statistics of norms and softmax are float32 whatever this is.
/// </remarks>
[SuppressMessage("Naming", "CA1720:Identifiers should not contain type names", Justification = "They are the names of numeric types.")]
public enum ComputePrecision
{
    /// <summary>float32.</summary>
    Float32,

    /// <summary>bfloat16: half the memory, the range of float32 and 8 bits of mantissa.</summary>
    BFloat16,

    /// <summary>
    /// float16: half the memory, 11 bits of mantissa and no number beyond 65,504. Training scales the loss, so that small gradients do not vanish, and skips a
    /// step that overflows (<see cref="VideoAlignmentProgress.Skipped"/>).
    /// </summary>
    Float16,
}
