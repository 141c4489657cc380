using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Models.Wan;

/// <summary>
/// Rotations of a token's place in the video: of the pairs of a head's features the first part turns with the frame, then one with the row and one with the
/// column, each at frequencies 10000^(-2i / n) of its n features. Reference: diffusers, <c>WanRotaryPosEmbed</c>.
/// </summary>
internal static class WanRotaryPositions
{
    private const double Base = 10000;

    /// <summary>Gives the rotations of a grid, which are made once in a run.</summary>
    /// <param name="grid">Tokens over time, rows and columns.</param>
    /// <param name="headSize">d, even.</param>
    /// <param name="device">Where they are needed.</param>
    /// <returns>Complex [T'*H'*W', d / 2] of float32 parts, rounded from float64; time before rows before columns.</returns>
    public static Tensor Create((long Frames, long Rows, long Columns) grid, long headSize, Device device) =>
        DeviceTable.ForRun((nameof(WanRotaryPositions), grid, headSize), ScalarType.ComplexFloat32, device, () => Compute(grid, headSize));

    private static Tensor Compute((long Frames, long Rows, long Columns) grid, long headSize)
    {
        using DisposeScope scope = NewDisposeScope();
        long side = 2 * (headSize / 6); // of rows, and of columns
        Tensor frames = Angles(grid.Frames, headSize - (2 * side)).view(grid.Frames, 1, 1, -1);
        Tensor rows = Angles(grid.Rows, side).view([1, grid.Rows, 1, side / 2]);
        Tensor columns = Angles(grid.Columns, side).view([1, 1, grid.Columns, side / 2]);
        Tensor[] angles = [.. new[] { frames, rows, columns }.Select(part => part.expand(grid.Frames, grid.Rows, grid.Columns, -1))];
        return Ops.UnitComplex(cat(angles, dim: 3).flatten(0, 2)).MoveToOuterDisposeScope();
    }

    // [places, features / 2], float64.
    private static Tensor Angles(long places, long features)
    {
        Tensor frequencies = pow(Base, ScalarOps.Range(features / 2, dtype: ScalarType.Float64).Mul(-2.0 / Math.Max(1, features)));
        return ScalarOps.Range(places, dtype: ScalarType.Float64).unsqueeze(1) * frequencies;
    }
}
