using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.MovingShapes.Stages;

/// <summary>From our keys to the names in files: the way back of a <see cref="KeyMap"/>.</summary>
internal static class WrittenNames
{
    /// <summary>How transformers spells a ViT's encoder layers.</summary>
    public static IReadOnlyList<(string Ours, string Theirs)> VitLayer { get; } =
    [
        (".self_attn.q_", ".attention.attention.q_"),
        (".self_attn.v_bias", ".attention.attention.v_bias"),
        (".attention.attention.q_proj.", ".attention.attention.query."),
        (".self_attn.k_proj.", ".attention.attention.key."),
        (".self_attn.v_proj.", ".attention.attention.value."),
        (".self_attn.out_proj.", ".attention.output.dense."),
        (".mlp.fc1.", ".intermediate.dense."),
        (".mlp.fc2.", ".output.dense."),
        (".layer_norm1.", ".layernorm_before."),
        (".layer_norm2.", ".layernorm_after."),
        (".layers.", ".encoder.layer."),
    ];

    /// <summary>Every replacement in turn.</summary>
    public static string Replace(string key, IReadOnlyList<(string Ours, string Theirs)> spellings) =>
        spellings.Aggregate(key, (name, pair) => name.Replace(pair.Ours, pair.Theirs, StringComparison.Ordinal));

    /// <summary>The name, after making sure that reading it leads back to the key.</summary>
    public static string Checked(string key, KeyMap map, string name) => map.MapName(name) == key
        ? name
        : throw new InvalidOperationException($"{key} would be written as {name}, which is read as {map.MapName(name) ?? "nothing"}.");
}
