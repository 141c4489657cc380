using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Denoisers.OpenSora;

/// <summary>
/// Positions in time as rotations of neighboring pairs of a head's features (Su et al. 2021, arXiv 2104.09864, eq. 34). The frequencies are the file's
/// (<c>freqs</c> [d / 2], held in float32 whatever the other weights are), not computed. Reference: rotary_embedding_torch, as Open-Sora uses it.
/// </summary>
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

    /// <summary>cos + i sin of position * frequency, complex [L, d / 2].</summary>
    public Tensor Turns(long positions) => Turns(_frequencies, positions);

    /// <inheritdoc cref="Turns(long)"/>
    public static Tensor Turns(Tensor frequencies, long positions)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor angles = ScalarOps.Range(positions, dtype: frequencies.dtype, device: frequencies.device).unsqueeze(1) * frequencies;
        return Ops.UnitComplex(angles).MoveToOuterDisposeScope();
    }

    /// <summary>Turns the pairs of x [B, L, S, h, d] by turns [L, d / 2]: (x0, x1) -> (x0 cos - x1 sin, x1 cos + x0 sin).</summary>
    public static Tensor Turn(Tensor x, Tensor turns)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor pairs = x.to_type(Placement.Computing(x.dtype)).contiguous().unflatten(4, [-1, 2]).view_as_complex();
        Tensor turned = pairs * turns.unsqueeze(1).unsqueeze(1);
        return turned.view_as_real().flatten(4).to_type(x.dtype).MoveToOuterDisposeScope();
    }
}
