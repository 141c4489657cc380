namespace Microsoft.ML.VideoAlignment.Rewards;

/// <summary>How transformers' ViT family (YOLOS, VideoMAE) spells the encoder layers that <see cref="Layers.EncoderLayer"/> has under CLIP's names.</summary>
internal static class VitKeys
{
    /// <summary>Old spelling, new spelling; the order matters, since one old spelling ends another.</summary>
    public static IReadOnlyList<(string Old, string New)> Layer { get; } =
    [
        ("attention.attention.q_bias", "self_attn.q_proj.bias"),
        ("attention.attention.v_bias", "self_attn.v_proj.bias"),
        ("attention.attention.query.", "self_attn.q_proj."),
        ("attention.attention.key.", "self_attn.k_proj."),
        ("attention.attention.value.", "self_attn.v_proj."),
        ("attention.output.dense.", "self_attn.out_proj."),
        ("intermediate.dense.", "mlp.fc1."),
        ("output.dense.", "mlp.fc2."),
        ("layernorm_before.", "layer_norm1."),
        ("layernorm_after.", "layer_norm2."),
        ("encoder.layer.", "layers."),
    ];
}
