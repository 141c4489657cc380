using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>Maps names in T5 files to keys. Of a whole model only the encoder is read.</summary>
internal static class T5Keys
{
    /// <summary>The embedding's name in every file of the reference's newer releases.</summary>
    public const string Shared = "shared.weight";

    /// <summary>The same table a second time; old files have both, some copies only this one.</summary>
    public const string EmbedTokens = "encoder.embed_tokens.weight";

    /// <summary>Makes the map of a file: of the two names of the embedding, the one that it has.</summary>
    /// <param name="source">The weights.</param>
    /// <param name="prefix">The start of the names in the file, before each key.</param>
    public static KeyMap CreateMap(IWeightSource source, string prefix = "") => new()
    {
        Ignore = ["decoder.*", "lm_head.*", .. source.Entries.ContainsKey(prefix + Shared) ? new[] { EmbedTokens } : []],
        Rename = name => name == EmbedTokens ? Shared : name,
    };
}
