namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>What a block keeps for the backward pass.</summary>
internal enum ActivationMemory
{
    /// <summary>All that libtorch's graph holds.</summary>
    Keep,

    /// <summary>Its inputs; it runs again.</summary>
    Recompute,

    /// <summary>Its inputs, in the CPU's memory; it runs again. On the CPU the same as <see cref="Recompute"/>.</summary>
    RecomputeOffloaded,
}
