using System.Text.RegularExpressions;
using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.MovingShapes.Training;

namespace Microsoft.ML.VideoAlignment.MovingShapes.Stages;

/// <summary>A CLIP of transformers' names as open_clip has it: queries, keys and values in one, projections multiplied from the right.</summary>
internal static partial class OpenClipNames
{
    private static readonly (string Ours, string Theirs)[] s_spellings =
    [
        ("text_model.embeddings.position_embedding.weight", "positional_embedding"),
        ("text_model.embeddings.", ""),
        ("text_model.final_layer_norm.", "ln_final."),
        ("vision_model.embeddings.position_embedding.weight", "visual.positional_embedding"),
        ("vision_model.embeddings.patch_embedding.", "visual.conv1."),
        ("vision_model.embeddings.", "visual."),
        ("vision_model.pre_layrnorm.", "visual.ln_pre."),
        ("vision_model.post_layernorm.", "visual.ln_post."),
        ("text_model.", ""),
        ("vision_model.", "visual."),
        ("encoder.layers.", "transformer.resblocks."),
        (".layer_norm1.", ".ln_1."),
        (".layer_norm2.", ".ln_2."),
        (".self_attn.out_proj.", ".attn.out_proj."),
        (".mlp.fc1.", ".mlp.c_fc."),
        (".mlp.fc2.", ".mlp.c_proj."),
    ];

    /// <summary>The tensors under open_clip's names; the caller's dispose scope owns the new ones.</summary>
    public static Dictionary<string, Tensor> Of(ClipModel clip)
    {
        Dictionary<string, Tensor> ours = StateRecord.Of(clip).ToDictionary(pair => pair.Name, pair => pair.Tensor.detach(), StringComparer.Ordinal);
        var theirs = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        foreach ((string key, Tensor tensor) in ours)
        {
            Match third = Thirds().Match(key);
            if (third.Success)
            {
                if (third.Groups[1].Value == "q")
                {
                    string end = key[(third.Index + third.Length)..];
                    string name = WrittenNames.Replace(key[..third.Index], s_spellings);
                    theirs[$"{name}.attn.in_proj_{end}"] =
                        cat([.. new[] { "q", "k", "v" }.Select(part => ours[$"{key[..third.Index]}.self_attn.{part}_proj.{end}"])]);
                }
            }
            else if (key is "text_projection.weight" or "visual_projection.weight")
            {
                theirs[key[0] == 't' ? "text_projection" : "visual.proj"] = tensor.t();
            }
            else
            {
                theirs[WrittenNames.Replace(key, s_spellings)] = tensor;
            }
        }

        return theirs;
    }

    [GeneratedRegex(@"\.self_attn\.([qkv])_proj\.", RegexOptions.CultureInvariant)]
    private static partial Regex Thirds();
}
