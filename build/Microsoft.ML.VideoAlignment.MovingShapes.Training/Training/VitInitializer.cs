using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.MovingShapes.Training;

/// <summary>
/// Initial values of what a video or detection transformer has beside linear layers and norms. Tokens and learned positions are drawn wider than ViT's 0.02:
/// a position has to be told from another within the first few hundred steps.
/// </summary>
internal static class VitInitializer
{
    private const double TokenStd = 0.2;

    private static readonly string[] s_tokens = ["cls_token", "detection_tokens", "position_embeddings", "mask_tokens"];
    private static readonly string[] s_patches = ["patch_projection", "patch_embed.proj"];

    /// <summary>
    /// True when the parameter is a token, a position or a patch's projection; the projection is drawn as torch draws a convolution's weight.
    /// </summary>
    public static bool Fill(string name, Parameter parameter, Generator generator)
    {
        if (Array.Exists(s_tokens, token => name.Contains(token, StringComparison.Ordinal)))
        {
            parameter.normal_(0, TokenStd, generator);
            return true;
        }

        if (!Array.Exists(s_patches, patch => name.Contains(patch, StringComparison.Ordinal)))
        {
            return false;
        }

        if (name.EndsWith(".bias", StringComparison.Ordinal))
        {
            parameter.zero_();
        }
        else
        {
            double bound = 1 / Math.Sqrt(parameter.shape.Skip(1).Aggregate(1L, (product, size) => product * size));
            parameter.uniform_(-bound, bound, generator);
        }

        return true;
    }
}
