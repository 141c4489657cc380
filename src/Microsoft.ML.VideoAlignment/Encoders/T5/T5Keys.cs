using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>
/// Maps names in T5 files to keys: transformers' names, or those of Wan's own UMT5 file. Of a whole model only the encoder is read.
/// </summary>
internal static class T5Keys
{
    /// <summary>The embedding's name in every file of the reference's newer releases.</summary>
    public const string Shared = "shared.weight";

    /// <summary>The same table a second time; old files have both, some copies only this one.</summary>
    public const string EmbedTokens = "encoder.embed_tokens.weight";

    private const string WanTable = "token_embedding.weight";

    // Parts of a block in Wan's file, and here.
    private static readonly (string Wan, string Key)[] s_parts =
    [
        ("norm1.", "layer.0.layer_norm."), ("attn.", "layer.0.SelfAttention."), ("pos_embedding.embedding.", "layer.0.SelfAttention.relative_attention_bias."),
        ("norm2.", "layer.1.layer_norm."), ("ffn.gate.0.", "layer.1.DenseReluDense.wi_0."), ("ffn.fc1.", "layer.1.DenseReluDense.wi_1."),
        ("ffn.fc2.", "layer.1.DenseReluDense.wo."),
    ];

    /// <summary>Makes the map of a file: its names are Wan's or, of the two names of the embedding, it has this one.</summary>
    /// <param name="source">The weights.</param>
    /// <param name="prefix">The start of the names in the file, before each key.</param>
    public static KeyMap CreateMap(IWeightSource source, string prefix = "") =>
        source.Entries.ContainsKey(prefix + WanTable) ? new KeyMap { Rename = FromWan } : new KeyMap
        {
            Ignore = ["decoder.*", "lm_head.*", .. source.Entries.ContainsKey(prefix + Shared) ? new[] { EmbedTokens } : []],
            Rename = static name => name == EmbedTokens ? Shared : name,
        };

    // blocks.N.PART; a name that is none of these stays, and is unexpected then.
    private static string FromWan(string name)
    {
        const string Blocks = "blocks.";
        switch (name)
        {
            case WanTable:
                return Shared;
            case "norm.weight":
                return "encoder.final_layer_norm.weight";
            default:
                break;
        }

        int dot = name.StartsWith(Blocks, StringComparison.Ordinal) ? name.IndexOf('.', Blocks.Length) : -1;
        string part = name[(dot + 1)..];
        (string wan, string key) = dot < 0 ? default : s_parts.FirstOrDefault(pair => part.StartsWith(pair.Wan, StringComparison.Ordinal));
        return key is null ? name : $"encoder.block.{name[Blocks.Length..dot]}.{key}{part[wan.Length..]}";
    }
}
