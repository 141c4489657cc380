using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>From the names in T5 files to keys. Of whole models the encoder alone is read.</summary>
internal static class T5Keys
{
    /// <summary>The embedding's name in every file of the reference's newer releases.</summary>
    public const string Shared = "shared.weight";

    /// <summary>The same table once more; old files have both, some copies this one only.</summary>
    public const string EmbedTokens = "encoder.embed_tokens.weight";

    /// <summary>The map for this file: of the two names of the embedding, the one that it has.</summary>
    public static KeyMap For(IWeightSource source, string prefix = "") => new()
    {
        Ignore = ["decoder.*", "lm_head.*", .. source.Entries.ContainsKey(prefix + Shared) ? new[] { EmbedTokens } : []],
        Rename = name => name == EmbedTokens ? Shared : name,
    };
}
