using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Rewards.VJepa;

/// <summary>How the names in a V-JEPA file become keys of <see cref="VJepaNetwork"/>.</summary>
internal static class VJepaKeys
{
    /// <summary>
    /// From "encoder/module.backbone.blocks.0.attn.qkv.weight" (dictionary, wrapper of a data-parallel run, name) to a key of the module. Names with a dot
    /// for the slash and without the wrapper are read too.
    /// </summary>
    public static KeyMap Map { get; } = new()
    {
        Aliases =
        [
            ("/module.", "/"), ("/backbone.", "/"), ("/", "."), (".norm1.", ".layer_norm1."), (".norm2.", ".layer_norm2."),
            (".attn.qkv.", ".self_attn.qkv_proj."), (".attn.proj.", ".self_attn.out_proj."),
        ],
    };
}
