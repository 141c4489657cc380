using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>
/// Positions as rotations of neighboring pairs of a head's features (Su et al. 2021, arXiv 2104.09864, eq. 34). Reference: rotary_embedding_torch, as
/// Open-Sora uses it.
/// </summary>
internal static class RotaryPositions
{
    /// <summary>The rotations of positions 0, 1, ... by given frequencies: cos + i sin of position * frequency.</summary>
    /// <param name="frequencies">[d / 2], radians per position.</param>
    /// <param name="positions">L.</param>
    /// <returns>Complex [L, d / 2].</returns>
    public static Tensor CreateRotations(Tensor frequencies, long positions)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor angles = ScalarOps.Range(positions, dtype: frequencies.dtype, device: frequencies.device).unsqueeze(1) * frequencies;
        return Ops.UnitComplex(angles).MoveToOuterDisposeScope();
    }

    /// <summary>Rotates pairs of features: (x0, x1) -> (x0 cos - x1 sin, x1 cos + x0 sin).</summary>
    /// <param name="x">[B, L, ..., d], such as [B, L, h, d].</param>
    /// <param name="rotations">The rotations, complex [L, d / 2].</param>
    /// <returns>The shape and type of x; the rotation itself is at least float32.</returns>
    public static Tensor Rotate(Tensor x, Tensor rotations)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor pairs = x.to_type(Placement.ComputeDtype(x.dtype)).contiguous().unflatten(x.ndim - 1, [-1, 2]).view_as_complex();
        Tensor turned = pairs * rotations.view([rotations.shape[0], .. Enumerable.Repeat(1L, (int)x.ndim - 3), rotations.shape[1]]);
        return turned.view_as_real().flatten(x.ndim - 1).to_type(x.dtype).MoveToOuterDisposeScope();
    }
}
