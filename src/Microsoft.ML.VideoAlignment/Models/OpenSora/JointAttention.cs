using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Models.OpenSora;

/// <summary>
/// Self-attention with one projection to queries, keys and values (<c>qkv</c>), an optional root-mean-square norm of each head's queries and keys, rotary
/// positions where they are passed, and <c>proj</c>. Reference: Open-Sora, <c>Attention</c>.
/// </summary>
internal sealed class JointAttention : nn.Module
{
    private const double NormEps = 1e-6;

    [ComponentName(Name = "qkv")]
    private readonly Linear _qkv;

    [ComponentName(Name = "q_norm")]
    private readonly RmsNorm? _qNorm;

    [ComponentName(Name = "k_norm")]
    private readonly RmsNorm? _kNorm;

    [ComponentName(Name = "proj")]
    private readonly Linear _proj;

    private readonly long[] _split;

    public JointAttention(long width, long heads, bool norm, Placement placement)
        : base(nameof(JointAttention))
    {
        long headSize = width / heads;
        _qkv = new Linear(width, 3 * width, placement);
        _qNorm = norm ? new RmsNorm(headSize, NormEps, placement) : null;
        _kNorm = norm ? new RmsNorm(headSize, NormEps, placement) : null;
        _proj = new Linear(width, width, placement);
        _split = [3, heads, headSize];
        RegisterComponents();
    }

    /// <summary>Attends from every token to those of its frame.</summary>
    /// <param name="x">[B, T, S, C].</param>
    /// <returns>[B, T, S, C].</returns>
    public Tensor AttendInSpace(Tensor x)
    {
        using DisposeScope scope = NewDisposeScope();
        (Tensor q, Tensor k, Tensor v) = Heads(x);
        Tensor Lead(Tensor rows) => rows.flatten(0, 1).transpose(1, 2); // [B, T, S, h, d] -> [B*T, h, S, d]
        Tensor y = Attention.Attend(Lead(q), Lead(k), Lead(v));
        return _proj.forward(y.view(x.shape)).MoveToOuterDisposeScope();
    }

    /// <summary>Attends from every token to those of its place at other times.</summary>
    /// <param name="x">[B, T, S, C].</param>
    /// <param name="rotations">Rotations, complex [T, d / 2].</param>
    /// <returns>[B, T, S, C].</returns>
    public Tensor AttendOverTime(Tensor x, Tensor rotations)
    {
        using DisposeScope scope = NewDisposeScope();
        (Tensor q, Tensor k, Tensor v) = Heads(x);
        Tensor Rows(Tensor rows) => rows.flatten(2, 3); // [B, T, S, h, d] -> [B, T, S*h, d]
        Tensor y = Attention.AttendAlong(Rows(RotaryPositions.Rotate(q, rotations)), Rows(RotaryPositions.Rotate(k, rotations)), Rows(v));
        return _proj.forward(y.reshape(x.shape)).MoveToOuterDisposeScope();
    }

    // Each [B, T, S, h, d].
    private (Tensor Q, Tensor K, Tensor V) Heads(Tensor x)
    {
        Tensor[] parts = _qkv.forward(x).unflatten(3, _split).unbind(3);
        return (_qNorm?.forward(parts[0]) ?? parts[0], _kNorm?.forward(parts[1]) ?? parts[1], parts[2]);
    }
}
