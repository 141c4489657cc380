using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Models.Wan;

/// <summary>
/// Decodes latents tile by tile, and blends each tile with those above and on its left, which are blended already. Reference: diffusers,
/// <c>AutoencoderKLWan.tiled_decode</c>.
/// </summary>
/// <param name="decode">Latents [B, z, T, h, w] to folded pixels [B, c, T', H, W].</param>
/// <param name="tiling">Sizes of the tiles.</param>
/// <param name="latentSide">Pixels per latent along each side.</param>
/// <param name="foldedSide">Folded pixels per latent along each side.</param>
internal sealed class WanVaeTiles(Func<Tensor, Tensor> decode, WanVaeTiling tiling, long latentSide, long foldedSide)
{
    private const int Rows = 3, Columns = 4;

    /// <summary>Decodes latents.</summary>
    /// <param name="z">[B, z, T, h, w].</param>
    /// <returns>[B, c, T', H, W].</returns>
    public Tensor Decode(Tensor z)
    {
        using DisposeScope scope = NewDisposeScope();
        (long height, long width) = (z.shape[Rows], z.shape[Columns]);
        (long strideHeight, long strideWidth) = (tiling.StrideHeight / latentSide, tiling.StrideWidth / latentSide);
        var strips = new List<Tensor>();
        List<Tensor> above = [];
        for (long row = 0; row < height; row += strideHeight)
        {
            List<Tensor> tiles = [];
            for (long column = 0; column < width; column += strideWidth)
            {
                Tensor tile = decode(z.narrow(Rows, row, Math.Min(tiling.MinHeight / latentSide, height - row))
                    .narrow(Columns, column, Math.Min(tiling.MinWidth / latentSide, width - column)));
                tile = above.Count > 0 ? Blend(above[tiles.Count], tile, Rows, Folded(tiling.MinHeight - tiling.StrideHeight)) : tile;
                tile = tiles.Count > 0 ? Blend(tiles[^1], tile, Columns, Folded(tiling.MinWidth - tiling.StrideWidth)) : tile;
                tiles.Add(tile);
            }

            strips.Add(Join(tiles, Columns, Folded(tiling.StrideWidth)));
            above = tiles;
        }

        Tensor joined = Join(strips, Rows, Folded(tiling.StrideHeight));
        return joined.narrow(Rows, 0, height * foldedSide).narrow(Columns, 0, width * foldedSide).MoveToOuterDisposeScope();
    }

    private long Folded(long pixels) => pixels / latentSide * foldedSide;

    // The first rows or columns of a tile go over from those of the tile before it.
    private static Tensor Blend(Tensor before, Tensor tile, int axis, long extent)
    {
        extent = Math.Min(extent, Math.Min(before.shape[axis], tile.shape[axis]));
        if (extent == 0)
        {
            return tile;
        }

        using DisposeScope scope = NewDisposeScope();
        Tensor own = DeviceTable.Create([.. Enumerable.Range(0, (int)extent).Select(y => (double)y / extent)], tile.device, tile.dtype);
        own = axis == Rows ? own.unsqueeze(-1) : own;
        Tensor last = before.narrow(axis, before.shape[axis] - extent, extent), first = tile.narrow(axis, 0, extent);
        Tensor blended = (last * own.SubtractedFrom(1)).Add(first * own);
        return cat([blended, tile.narrow(axis, extent, tile.shape[axis] - extent)], dim: axis).MoveToOuterDisposeScope();
    }

    private static Tensor Join(List<Tensor> parts, int axis, long stride) =>
        cat([.. parts.Select(part => part.narrow(axis, 0, Math.Min(stride, part.shape[axis])))], dim: axis);
}
