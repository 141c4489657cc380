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
