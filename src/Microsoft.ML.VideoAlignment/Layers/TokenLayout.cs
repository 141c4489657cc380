namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>Pictures, tokens and clips are one memory when channels lie last; these only rename the axes (elsewhere they may copy).</summary>
internal static class TokenLayout
{
    /// <summary>[N, C, H, W] -> [N, H*W, C].</summary>
    public static Tensor ToTokens(Tensor pictures)
    {
        using Tensor last = pictures.permute(0, 2, 3, 1);
        return last.flatten(1, 2);
    }

    /// <summary>[N, H*W, C] -> [N, C, H, W].</summary>
    public static Tensor ToPictures(Tensor tokens, long height, long width)
    {
        using Tensor grid = tokens.unflatten(1, [height, width]);
        return grid.permute(0, 3, 1, 2);
    }

    /// <summary>[B*T, C, H, W] -> [B, C, T, H*W].</summary>
    public static Tensor ToClips(Tensor pictures, long frames)
    {
        using Tensor tokens = ToTokens(pictures);
        using Tensor clips = tokens.unflatten(0, [-1, frames]);
        return clips.permute(0, 3, 1, 2);
    }

    /// <summary>[B, C, T, H*W] -> [B*T, C, H, W].</summary>
    public static Tensor FromClips(Tensor clips, long height, long width)
    {
        using Tensor last = clips.permute(0, 2, 3, 1);
        using Tensor tokens = last.flatten(0, 1);
        return ToPictures(tokens, height, width);
    }
}
