using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Rewards.VJepa;

/// <summary>
/// V-JEPA's fixed positions of video patches (facebookresearch/jepa, src/models/utils/pos_embs.py). Files hold them as a parameter; they are made here for
/// networks that are trained.
/// </summary>
internal static class SinusoidTable
{
    /// <summary>
    /// Makes the table: parts for time, row and column in this order, each [sin | cos] of position / 10000^(i / half).
    /// </summary>
    /// <param name="width">D, the channels of a token.</param>
    /// <param name="grid">Tokens over time, rows and columns.</param>
    /// <param name="uniformPower">
    /// Whether the parts have one size (a sixth of the width, rounded up, twice, and the whole cut to the width), or time half the width and row and column a
    /// quarter each.
    /// </param>
    /// <returns>[t * h * w, D], float32.</returns>
    public static Tensor Make(long width, (long Frames, long Rows, long Columns) grid, bool uniformPower)
    {
        using DisposeScope scope = NewDisposeScope();
        long third = ((width + 5) / 6) * 2;
        (long time, long space) = uniformPower ? (third, third) : (width / 2, width / 4);
        Tensor frames = Part(time, grid.Frames).view(-1, 1, 1, time).expand(grid.Frames, grid.Rows, grid.Columns, time);
        Tensor rows = Part(space, grid.Rows).view(1, -1, 1, space).expand(grid.Frames, grid.Rows, grid.Columns, space);
        Tensor columns = Part(space, grid.Columns).view(1, 1, -1, space).expand(grid.Frames, grid.Rows, grid.Columns, space);
        Tensor table = cat([frames, rows, columns], -1).flatten(0, 2).narrow(1, 0, width);
        return table.to_type(ScalarType.Float32).contiguous().MoveToOuterDisposeScope();
    }

    // [positions, size], float64.
    private static Tensor Part(long size, long positions)
    {
        Tensor frequencies = pow(10000.0, -ScalarOps.Range(size / 2, dtype: ScalarType.Float64).Div(size / 2.0));
        Tensor angles = ScalarOps.Range(positions, dtype: ScalarType.Float64).unsqueeze(1) * frequencies;
        return cat([angles.sin(), angles.cos()], 1);
    }
}
