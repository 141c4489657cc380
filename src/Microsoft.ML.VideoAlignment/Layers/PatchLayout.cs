namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>Puts the patches that a diffusion transformer predicts together to a video ("unpatchify", Peebles and Xie 2022, arXiv 2212.09748).</summary>
internal static class PatchLayout
{
    /// <summary>Joins patches; a token's numbers are ordered frame, row, column of the patch, then channel.</summary>
    /// <param name="tokens">[B, N, t*p*q*c], or [B, T', S, t*p*q*c]: time before rows before columns.</param>
    /// <param name="grid">Tokens over time, rows and columns.</param>
    /// <param name="patch">t, p and q: frames, rows and columns of a token.</param>
    /// <param name="channels">c.</param>
    /// <returns>[B, c, T, H, W].</returns>
    public static Tensor Join(
        Tensor tokens, (long Frames, long Rows, long Columns) grid, (long Frames, long Rows, long Columns) patch, long channels)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor patches = tokens.reshape(
            [tokens.shape[0], grid.Frames, grid.Rows, grid.Columns, patch.Frames, patch.Rows, patch.Columns, channels]);
        return patches.permute(0, 7, 1, 4, 2, 5, 3, 6)
            .reshape([tokens.shape[0], channels, grid.Frames * patch.Frames, grid.Rows * patch.Rows, grid.Columns * patch.Columns]).MoveToOuterDisposeScope();
    }
}
