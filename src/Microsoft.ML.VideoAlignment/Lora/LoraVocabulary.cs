namespace Microsoft.ML.VideoAlignment.Lora;

/// <summary>What a family's denoiser calls the layers that LoRA usually adapts.</summary>
/// <param name="Qkv">Names of the queries, keys and values of every attention, as <see cref="LoraTargets.ByName"/> takes them.</param>
/// <param name="Output">Names of the attentions' output projections.</param>
internal sealed record LoraVocabulary(IReadOnlyList<string> Qkv, IReadOnlyList<string> Output)
{
    /// <summary>Names of the feed-forward parts' layers; empty: the family's files adapt none.</summary>
    public IReadOnlyList<string> FeedForward { get; init; } = [];

    /// <summary>diffusers' names, which lvdm shares.</summary>
    public static LoraVocabulary Diffusers { get; } = new(["to_q", "to_k", "to_v"], ["to_out.0"]);

    /// <summary>Queries, keys and values of every attention: what VADER's VideoCrafter and Open-Sora scripts adapt.</summary>
    public LoraTargets AttentionQkv => LoraTargets.ByName([.. Qkv]);

    /// <summary>As <see cref="AttentionQkv"/>, with the output projection: diffusers' usual set.</summary>
    public LoraTargets AttentionQkvOut => LoraTargets.ByName([.. Qkv, .. Output]);

    /// <summary>As <see cref="AttentionQkvOut"/>, with the feed-forward parts: the usual set of diffusion transformers.</summary>
    public LoraTargets AttentionAndFeedForward => LoraTargets.ByName([.. Qkv, .. Output, .. FeedForward]);
}
