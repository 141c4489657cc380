using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Models.Wan;

/// <summary>The two spellings of the transformer's names: that of diffusers, which are the module's keys, and that of Wan's own files.</summary>
internal static class WanTransformerKeys
{
    /// <summary>What stands before every name of an original file that was packed together with others.</summary>
    public const string PackedPrefix = "model.diffusion_model.";

    // In order: a name may contain the end of another, and each is replaced wherever it occurs.
    private static readonly (string Original, string Diffusers)[] s_spellings =
    [
        ("img_emb.emb_pos", "condition_embedder.image_embedder.pos_embed"),
        ("img_emb.proj.0.", "condition_embedder.image_embedder.norm1."),
        ("img_emb.proj.1.", "condition_embedder.image_embedder.ff.net.0.proj."),
        ("img_emb.proj.3.", "condition_embedder.image_embedder.ff.net.2."),
        ("img_emb.proj.4.", "condition_embedder.image_embedder.norm2."),
        ("time_embedding.0.", "condition_embedder.time_embedder.linear_1."),
        ("time_embedding.2.", "condition_embedder.time_embedder.linear_2."),
        ("time_projection.1.", "condition_embedder.time_proj."),
        ("text_embedding.0.", "condition_embedder.text_embedder.linear_1."),
        ("text_embedding.2.", "condition_embedder.text_embedder.linear_2."),
        (".self_attn.q.", ".attn1.to_q."),
        (".self_attn.k.", ".attn1.to_k."),
        (".self_attn.v.", ".attn1.to_v."),
        (".self_attn.o.", ".attn1.to_out.0."),
        (".self_attn.", ".attn1."),
        (".cross_attn.q.", ".attn2.to_q."),
        (".cross_attn.k.", ".attn2.to_k."),
        (".cross_attn.v.", ".attn2.to_v."),
        (".cross_attn.o.", ".attn2.to_out.0."),
        (".cross_attn.k_img.", ".attn2.add_k_proj."),
        (".cross_attn.v_img.", ".attn2.add_v_proj."),
        (".cross_attn.norm_k_img.", ".attn2.norm_added_k."),
        (".cross_attn.", ".attn2."),
        (".ffn.0.", ".ffn.net.0.proj."),
        (".ffn.2.", ".ffn.net.2."),
        (".norm3.", ".norm2."),
        ("head.head.", "proj_out."),
        ("head.modulation", HeadTable),
        (".modulation", BlockTable),
    ];

    private const string HeadTable = "scale_shift_table";
    private const string BlockTable = ".scale_shift_table";

    /// <summary>The map of a file in either spelling, with or without <see cref="PackedPrefix"/>.</summary>
    /// <remarks>Early conversions hold a norm of queries to the image that no code reads.</remarks>
    public static KeyMap Map { get; } = new() { Rename = ToDiffusers, Ignore = ["*.attn2.norm_added_q.*"] };

    /// <summary>Gives the module's key.</summary>
    /// <param name="name">A name in either spelling, with or without <see cref="PackedPrefix"/>.</param>
    public static string ToDiffusers(string name)
    {
        string bare = name.StartsWith(PackedPrefix, StringComparison.Ordinal) ? name[PackedPrefix.Length..] : name;
        return s_spellings.Aggregate(bare, static (text, pair) => text.Replace(pair.Original, pair.Diffusers, StringComparison.Ordinal));
    }

    /// <summary>Gives the name in Wan's own files.</summary>
    /// <param name="key">A key of the module.</param>
    public static string ToOriginal(string key) => key == HeadTable
        ? "head.modulation"
        : s_spellings.Where(static pair => pair.Diffusers != HeadTable)
            .Aggregate(key, static (text, pair) => text.Replace(pair.Diffusers, pair.Original, StringComparison.Ordinal));
}
