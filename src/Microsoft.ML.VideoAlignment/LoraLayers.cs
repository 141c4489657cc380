namespace Microsoft.ML.VideoAlignment;

/// <summary>Which layers of the denoiser get LoRA adapters.</summary>
public enum LoraLayers
{
    /// <summary>Every linear layer and convolution; the rank of a small layer is clipped to its size. What VADER's ModelScope script adapts.</summary>
    All,

    /// <summary>Queries, keys and values of every attention: what VADER's VideoCrafter and Open-Sora scripts adapt.</summary>
    AttentionQkv,

    /// <summary>As <see cref="AttentionQkv"/>, with the output projection: the usual set of diffusers.</summary>
    AttentionQkvOut,
}
