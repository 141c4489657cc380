using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Models.OpenSora;

/// <summary>Positions of tokens in their frame, as sines and cosines. Reference: Open-Sora, <c>PositionEmbedding2D</c>.</summary>
internal static class PositionEmbedding2D
{
    /// <summary>Creates the embedding of a grid, row by row: sines and cosines of the column, then of the row, at frequencies 10000^(-4k / width).</summary>
    /// <remarks>
    /// A position counts position / <paramref name="scale"/> * <paramref name="baseSize"/> / (number of positions), so that an image of any size and shape
    /// covers the range of the trained one.
    /// </remarks>
    /// <param name="rows">Rows of tokens.</param>
    /// <param name="columns">Columns of tokens.</param>
    /// <param name="width">Width of the embedding, a multiple of 4.</param>
    /// <param name="scale">Side of the image in units of the trained one.</param>
    /// <param name="baseSize">Side of the square grid with as many tokens; null: position / scale.</param>
    /// <param name="device">Where to create the tensor.</param>
    /// <returns>[1, rows * columns, width], float32.</returns>
    public static Tensor Create(long rows, long columns, long width, double scale, double? baseSize, Device device)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor frequencies = pow(10000, ScalarOps.Range(width / 4, dtype: ScalarType.Float64, device: device).Mul(-4.0 / width));
        Tensor[] Waves(long places)
        {
            Tensor at = ScalarOps.Range(places, dtype: ScalarType.Float64, device: device).Mul((baseSize ?? places) / (scale * places));
            Tensor angles = at.unsqueeze(1) * frequencies;
            return [angles.sin(), angles.cos()]; // [places, width / 4] each
        }

        Tensor[] grid =
        [
            .. Waves(columns).Select(wave => wave.unsqueeze(0).expand(rows, -1, -1)),
            .. Waves(rows).Select(wave => wave.unsqueeze(1).expand(-1, columns, -1)),
        ];
        return cat(grid, dim: 2).to_type(ScalarType.Float32).flatten(0, 1).unsqueeze(0).MoveToOuterDisposeScope();
    }
}
