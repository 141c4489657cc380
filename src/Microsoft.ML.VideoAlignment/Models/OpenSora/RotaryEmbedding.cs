using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Models.OpenSora;

/// <summary>
/// Positions in time as rotations of neighboring pairs of a head's features (Su et al. 2021, arXiv 2104.09864, eq. 34). Reference: rotary_embedding_torch, as
/// Open-Sora uses it.
/// </summary>
/// <remarks>The frequencies are read from the file (<c>freqs</c> [d / 2], kept in float32 whatever the other weights are), not computed.</remarks>
internal sealed class RotaryEmbedding : nn.Module
{
    [ComponentName(Name = "freqs")]
    private readonly Parameter _frequencies;

    public RotaryEmbedding(long headSize, Placement placement)
        : base(nameof(RotaryEmbedding))
    {
        _frequencies = (placement with { Dtype = ScalarType.Float32 }).Parameter(headSize / 2);
        RegisterComponents();
    }

    /// <summary>The rotations of positions 0, 1, ...: cos + i sin of position * frequency.</summary>
    /// <param name="positions">L.</param>
    /// <returns>Complex [L, d / 2].</returns>
    public Tensor CreateRotations(long positions) => CreateRotations(_frequencies, positions);

    /// <summary>The rotations of positions 0, 1, ... by given frequencies.</summary>
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
    /// <param name="x">[B, L, S, h, d].</param>
    /// <param name="rotations">The rotations, complex [L, d / 2].</param>
    /// <returns>[B, L, S, h, d].</returns>
    public static Tensor Rotate(Tensor x, Tensor rotations)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor pairs = x.to_type(Placement.ComputeDtype(x.dtype)).contiguous().unflatten(4, [-1, 2]).view_as_complex();
        Tensor turned = pairs * rotations.unsqueeze(1).unsqueeze(1);
        return turned.view_as_real().flatten(4).to_type(x.dtype).MoveToOuterDisposeScope();
    }
}
