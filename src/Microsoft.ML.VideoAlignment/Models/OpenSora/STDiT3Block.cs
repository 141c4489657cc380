using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Models.OpenSora;

/// <summary>
/// Self-attention (within a frame, or over time where rotations are passed), attention to the text, feed-forward; the first and the last are modulated and
/// gated by the time, with a table <c>scale_shift_table</c> [6, C] of the block's own. Reference: Open-Sora, <c>STDiT3Block</c>.
/// </summary>
internal sealed class STDiT3Block : nn.Module
{
    [ComponentName(Name = "scale_shift_table")]
    private readonly Parameter _table;

    [ComponentName(Name = "attn")]
    private readonly JointAttention _attention;

    [ComponentName(Name = "cross_attn")]
    private readonly MultiHeadCrossAttention _crossAttention;

    [ComponentName(Name = "mlp")]
    private readonly GeluMlp _mlp;

    public STDiT3Block(STDiT3Config config, Placement placement)
        : base(nameof(STDiT3Block))
    {
        _table = placement.Parameter(6, config.HiddenSize);
        _attention = new JointAttention(config.HiddenSize, config.Heads, config.NormsQueriesAndKeys, placement);
        _crossAttention = new MultiHeadCrossAttention(config.HiddenSize, config.Heads, placement);
        _mlp = new GeluMlp(config.HiddenSize, config.MlpWidth, config.HiddenSize, placement);
        RegisterComponents();
    }

    /// <summary>Applies the block.</summary>
    /// <param name="x">[B, T, S, C].</param>
    /// <param name="text">[B, L, C].</param>
    /// <param name="time">[R, F, 6C]; see <see cref="Modulation"/>.</param>
    /// <param name="bias">Bias of the text's tokens, [B, L]; null: all count.</param>
    /// <param name="rotations">Rotations, complex [T, d / 2]; null: a spatial block.</param>
    /// <returns>[B, T, S, C].</returns>
    public Tensor Forward(Tensor x, Tensor text, Tensor time, Tensor? bias, Tensor? rotations)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor[] rows = Modulation.SplitRows(_table, time); // shift, scale, gate of attention, then of the feed-forward
        Tensor normed = Modulation.Normalize(x, rows[0], rows[1]);
        Tensor attended = rotations is null ? _attention.AttendInSpace(normed) : _attention.AttendOverTime(normed, rotations);
        x = Modulation.AddGated(x, rows[2], attended);
        Tensor tokens = x.flatten(1, 2); // [B, T*S, C]
        x = tokens.Add(_crossAttention.Forward(tokens, text, bias)).view(x.shape);
        return Modulation.AddGated(x, rows[5], _mlp.forward(Modulation.Normalize(x, rows[3], rows[4]))).MoveToOuterDisposeScope();
    }
}
