using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Models.Wan;

/// <summary>
/// Self-attention over the whole video, attention to text and image, feed-forward; the first and the last are modulated and gated by the time, with a table
/// <c>scale_shift_table</c> [1, 6, D] of the block's own. Reference: diffusers, <c>WanTransformerBlock</c>.
/// </summary>
/// <remarks>Keys <c>attn1</c>, <c>norm2</c>, <c>attn2</c>, <c>ffn</c>; norm1 and norm3 have no weights.</remarks>
internal sealed class WanBlock : nn.Module
{
    [ComponentName(Name = "scale_shift_table")]
    private readonly Parameter _table;

    [ComponentName(Name = "attn1")]
    private readonly WanAttention _attention;

    [ComponentName(Name = "norm2")]
    private readonly LayerNorm? _norm2;

    [ComponentName(Name = "attn2")]
    private readonly WanAttention _crossAttention;

    [ComponentName(Name = "ffn")]
    private readonly ActivatedFeedForward _ffn;

    private readonly double _eps;

    public WanBlock(WanTransformerConfig config, Placement placement)
        : base(nameof(WanBlock))
    {
        _table = placement.Wide.Parameter(1, 6, config.Width);
        _attention = new WanAttention(config, seesImage: false, placement);
        _norm2 = config.NormsCrossAttention ? new LayerNorm(config.Width, config.Eps, placement.Wide) : null;
        _crossAttention = new WanAttention(config, config.HasImageBranch, placement);
        _ffn = new ActivatedFeedForward(config.Width, config.FeedForwardWidth, config.Width, Activation.GeluTanh, placement);
        _eps = config.Eps;
        RegisterComponents();
    }

    /// <summary>Applies the block.</summary>
    /// <param name="x">[B, N, D].</param>
    /// <param name="text">[B, L, D].</param>
    /// <param name="image">[B, n, D]; null: a network without image branch.</param>
    /// <param name="time">[R, F, 6 D], R = B or 1: each of the F is of N / F tokens that follow one another.</param>
    /// <param name="rotations">Complex [N, d / 2].</param>
    /// <returns>[B, N, D].</returns>
    public Tensor Forward(Tensor x, Tensor text, Tensor? image, Tensor time, Tensor rotations)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor[] rows = Modulation.SplitRows(_table.squeeze(0), time); // shift, scale, gate of attention, then of the feed-forward
        Tensor groups = x.unflatten(1, [time.shape[1], -1]); // [B, F, N / F, D]
        Tensor normed = Modulation.Normalize(groups, rows[0], rows[1], _eps).flatten(1, 2);
        x = Modulation.AddGated(groups, rows[2], _attention.AttendToSelf(normed, rotations).view_as(groups)).flatten(1, 2);
        x = Ops.Add(x, _crossAttention.AttendToContext(_norm2?.forward(x) ?? x, text, image));
        groups = x.view_as(groups);
        Tensor wide = Modulation.Normalize(groups, rows[3], rows[4], _eps);
        return Modulation.AddGated(groups, rows[5], _ffn.forward(wide)).flatten(1, 2).MoveToOuterDisposeScope();
    }
}
