namespace Microsoft.ML.VideoAlignment.Models.Wan;

/// <summary>Squares of pixels folded into channels: channel (c, column, row) of a square. Reference: diffusers, <c>patchify</c>, <c>unpatchify</c>.</summary>
internal static class WanVaePixels
{
    /// <summary>Folds squares of pixels into channels.</summary>
    /// <param name="images">[N, C, H, W].</param>
    /// <param name="side">p, pixels along a side of a square, a divisor of H and W.</param>
    /// <returns>[N, C p p, H / p, W / p].</returns>
    public static Tensor Fold(Tensor images, long side)
    {
        if (side == 1)
        {
            return images.alias();
        }

        using DisposeScope scope = NewDisposeScope();
        Tensor squares = images.unflatten(3, [-1, side]).unflatten(2, [-1, side]); // [N, C, h, row, w, column]
        return squares.permute(0, 1, 5, 3, 2, 4).flatten(1, 3).MoveToOuterDisposeScope();
    }

    /// <summary>Undoes <see cref="Fold"/>.</summary>
    /// <param name="images">[N, C p p, h, w].</param>
    /// <param name="side">p.</param>
    /// <returns>[N, C, h p, w p].</returns>
    public static Tensor Unfold(Tensor images, long side)
    {
        if (side == 1)
        {
            return images.alias();
        }

        using DisposeScope scope = NewDisposeScope();
        Tensor squares = images.unflatten(1, [-1, side, side]); // [N, C, column, row, h, w]
        return squares.permute(0, 1, 4, 3, 5, 2).flatten(4, 5).flatten(2, 3).MoveToOuterDisposeScope();
    }
}
