namespace Microsoft.ML.VideoAlignment;

/// <summary>How the frozen weights of a base model are read and held.</summary>
public sealed record VideoModelOptions
{
    /// <summary>The variant part of the weight files' names, such as "fp16" in diffusion_pytorch_model.fp16.safetensors. Default: none.</summary>
    public string? Variant { get; init; }

    /// <summary>
    /// How frozen weights are stored. Computation is in float32 whatever this says; smaller weights are cast where they are used, which costs time and
    /// saves memory. Default: float32.
    /// </summary>
    public WeightPrecision Precision { get; init; } = WeightPrecision.Full;
}

/// <summary>How frozen weights are stored.</summary>
public enum WeightPrecision
{
    /// <summary>float32: 4 bytes a weight.</summary>
    Full,

    /// <summary>bfloat16: 2 bytes, the range of float32 and 8 bits of mantissa.</summary>
    BrainHalf,

    /// <summary>float16: 2 bytes, 11 bits of mantissa.</summary>
    Half,
}
