namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>Images, tokens and clips are one memory when channels lie last; these only rename the axes (elsewhere they may copy).</summary>
internal static class TokenLayout
{
    /// <summary>[N, C, H, W] -> [N, H*W, C].</summary>
    public static Tensor ToTokens(Tensor images)
    {
        using Tensor last = images.permute(0, 2, 3, 1);
        return last.flatten(1, 2);
    }

    /// <summary>[N, H*W, C] -> [N, C, H, W].</summary>
    public static Tensor ToImages(Tensor tokens, long height, long width)
    {
        using Tensor grid = tokens.unflatten(1, [height, width]);
        return grid.permute(0, 3, 1, 2);
    }

    /// <summary>[B*T, C, H, W] -> [B, C, T, H*W].</summary>
    public static Tensor ToSegments(Tensor images, long frames)
    {
        using Tensor tokens = ToTokens(images);
        using Tensor segments = tokens.unflatten(0, [-1, frames]);
        return segments.permute(0, 3, 1, 2);
    }

    /// <summary>[B, C, T, H*W] -> [B*T, C, H, W].</summary>
    public static Tensor FromSegments(Tensor segments, long height, long width)
    {
        using Tensor last = segments.permute(0, 2, 3, 1);
        using Tensor tokens = last.flatten(0, 1);
        return ToImages(tokens, height, width);
    }
}
