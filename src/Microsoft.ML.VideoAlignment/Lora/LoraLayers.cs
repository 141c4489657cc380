namespace Microsoft.ML.VideoAlignment;

/// <summary>Which layers of the denoiser get LoRA adapters.</summary>
public enum LoraLayers
{
    /// <summary>Every linear layer and convolution: what VADER's ModelScope script adapts. The rank of a small layer is clipped to its size.</summary>
    All,

    /// <summary>Queries, keys and values of every attention: what VADER's VideoCrafter and Open-Sora scripts adapt.</summary>
    AttentionQkv,

    /// <summary>Queries, keys, values and the output projection of every attention: the usual set of diffusers.</summary>
    AttentionQkvOut,
}
