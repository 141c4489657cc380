using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Models.OpenSora;

/// <summary>
/// Attention of the video's tokens to the text's: <c>q_linear</c>, <c>kv_linear</c> (keys of all heads, then values), <c>proj</c>. Reference: Open-Sora,
/// <c>MultiHeadCrossAttention</c>.
/// </summary>
/// <remarks>
/// The reference packs the texts of a batch without their padding; a bias of minus infinity on the padding gives the same numbers and gradients, and needs no
/// lengths on the host.
/// </remarks>
internal sealed class MultiHeadCrossAttention : nn.Module
{
    [ComponentName(Name = "q_linear")]
    private readonly Linear _query;

    [ComponentName(Name = "kv_linear")]
    private readonly Linear _keyValue;

    [ComponentName(Name = "proj")]
    private readonly Linear _proj;

    private readonly long[] _split;

    public MultiHeadCrossAttention(long width, long heads, Placement placement)
        : base(nameof(MultiHeadCrossAttention))
    {
        _query = new Linear(width, width, placement);
        _keyValue = new Linear(width, 2 * width, placement);
        _proj = new Linear(width, width, placement);
        _split = [heads, width / heads];
        RegisterComponents();
    }

    /// <summary>Attends to the text.</summary>
    /// <param name="x">[B, N, C].</param>
    /// <param name="text">[B, L, C].</param>
    /// <param name="bias">See <see cref="CreateBias"/>; null: all tokens count.</param>
    /// <returns>[B, N, C].</returns>
    public Tensor Forward(Tensor x, Tensor text, Tensor? bias)
    {
        using DisposeScope scope = NewDisposeScope();
        _query.Slot.RecordUse(matters: text.shape[1] > 1); // over one token the softmax is 1 whatever the queries are
        Tensor q = _query.forward(x).unflatten(2, _split);
        Tensor[] kv = _keyValue.forward(text).unflatten(2, [2, .. _split]).unbind(2); // [B, L, h, d] each
        return _proj.forward(Attention.AttendAlong(q, kv[0], kv[1], bias).flatten(2)).MoveToOuterDisposeScope();
    }

    /// <summary>The bias of a text's tokens: 0 where a token counts, minus infinity where it does not.</summary>
    /// <param name="mask">[B, L], 0 = padding.</param>
    /// <returns>float32 [B, L].</returns>
    public static Tensor CreateBias(Tensor mask)
    {
        using DisposeScope scope = NewDisposeScope();
        return zeros(mask.shape, dtype: ScalarType.Float32, device: mask.device).MaskedFill(mask.EqualTo(0), double.NegativeInfinity).MoveToOuterDisposeScope();
    }
}
