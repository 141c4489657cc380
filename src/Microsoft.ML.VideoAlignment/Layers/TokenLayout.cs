namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>Images, tokens and videos are one memory when channels lie last; these only rename the axes (elsewhere they may copy).</summary>
internal static class TokenLayout
{
    /// <summary>Images as tokens.</summary>
    /// <param name="images">[N, C, H, W].</param>
    /// <returns>[N, H*W, C].</returns>
    public static Tensor ToTokens(Tensor images)
    {
        using Tensor last = images.permute(0, 2, 3, 1);
        return last.flatten(1, 2);
    }

    /// <summary>Tokens as images.</summary>
    /// <param name="tokens">[N, H*W, C].</param>
    /// <param name="height">H.</param>
    /// <param name="width">W.</param>
    /// <returns>[N, C, H, W].</returns>
    public static Tensor ToImages(Tensor tokens, long height, long width)
    {
        using Tensor grid = tokens.unflatten(1, [height, width]);
        return grid.permute(0, 3, 1, 2);
    }

    /// <summary>Images as videos whose pixels lie in one axis.</summary>
    /// <param name="images">[B*T, C, H, W].</param>
    /// <param name="frames">T.</param>
    /// <returns>[B, C, T, H*W].</returns>
    public static Tensor ToSegments(Tensor images, long frames)
    {
        using Tensor tokens = ToTokens(images);
        using Tensor segments = tokens.unflatten(0, [-1, frames]);
        return segments.permute(0, 3, 1, 2);
    }

    /// <summary>Videos whose pixels lie in one axis as images.</summary>
    /// <param name="segments">[B, C, T, H*W].</param>
    /// <param name="height">H.</param>
    /// <param name="width">W.</param>
    /// <returns>[B*T, C, H, W].</returns>
    public static Tensor FromSegments(Tensor segments, long height, long width)
    {
        using Tensor last = segments.permute(0, 2, 3, 1);
        using Tensor tokens = last.flatten(0, 1);
        return ToImages(tokens, height, width);
    }
}
