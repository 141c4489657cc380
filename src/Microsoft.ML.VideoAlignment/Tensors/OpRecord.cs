namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>How an operation's multiplications follow from its factors.</summary>
internal enum OpKind
{
    /// <summary>None to be counted, such as an activation, a norm or a sum.</summary>
    Other,

    /// <summary>A product: each factor that carries gradient costs as much again backward.</summary>
    Product,

    /// <summary>The fused kernel of softmax(q k^T) v; the factors are queries, keys and values.</summary>
    FusedAttention,

    /// <summary>A group, layer or RMS norm, which costs no products.</summary>
    Norm,

    /// <summary>A block's shift, scale and gate that the diffusion time gives, and the gated sum; no products.</summary>
    TimeModulation,
}

/// <summary>One operation that is done.</summary>
/// <param name="kind">How the cost follows from the rest.</param>
/// <param name="multiplyAdds">Multiplications, each with its addition, of the forward pass; 0 for attention, whose factors tell.</param>
/// <param name="result">The result, still owned by the operation or its scope.</param>
/// <param name="factors">The operands that are multiplied.</param>
/// <param name="others">Further tensors that are alive meanwhile; null entries are passed over.</param>
internal readonly ref struct OpRecord(OpKind kind, long multiplyAdds, Tensor result, ReadOnlySpan<Tensor?> factors, ReadOnlySpan<Tensor?> others = default)
{
    /// <summary>How the operation's cost follows from the rest.</summary>
    public OpKind Kind { get; } = kind;

    /// <summary>Multiplications, each with its addition, of the forward pass.</summary>
    public long MultiplyAdds { get; } = multiplyAdds;

    /// <summary>The result.</summary>
    public Tensor Result { get; } = result;

    /// <summary>The operands that are multiplied.</summary>
    public ReadOnlySpan<Tensor?> Factors { get; } = factors;

    /// <summary>Further tensors that are alive meanwhile.</summary>
    public ReadOnlySpan<Tensor?> Others { get; } = others;
}
