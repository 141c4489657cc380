using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>
/// x += attn1(norm1 x); x += attn2(norm2 x); x += ff(norm3 x). In space attn2 looks at the text; in time it is a second self-attention.
/// Reference: diffusers, <c>BasicTransformerBlock</c>.
/// </summary>
internal sealed class TransformerBlock : nn.Module
{
    [ComponentName(Name = "norm1")]
    private readonly LayerNorm _norm1;

    [ComponentName(Name = "attn1")]
    private readonly Attention _attn1;

    [ComponentName(Name = "norm2")]
    private readonly LayerNorm _norm2;

    [ComponentName(Name = "attn2")]
    private readonly Attention _attn2;

    [ComponentName(Name = "norm3")]
    private readonly LayerNorm _norm3;

    [ComponentName(Name = "ff")]
    private readonly FeedForward _ff;

    /// <summary>contextWidth: Width of the text's tokens; null: attn2 is a self-attention. relativePositions: of both, see <see cref="Attention"/>.</summary>
    public TransformerBlock(
        long heads, long headSize, long? contextWidth, Placement placement, bool attentionBias = false, double eps = 1e-5, long? relativePositions = null)
        : base(nameof(TransformerBlock))
    {
        long width = heads * headSize;
        _norm1 = new LayerNorm(width, eps, placement);
        _attn1 = new Attention(width, width, heads, headSize, placement, attentionBias, relativePositions);
        _norm2 = new LayerNorm(width, eps, placement);
        _attn2 = new Attention(width, contextWidth ?? width, heads, headSize, placement, attentionBias, relativePositions);
        _norm3 = new LayerNorm(width, eps, placement);
        _ff = new FeedForward(width, placement);
        RegisterComponents();
    }

    /// <summary>Pixels of a frame attend to each other and to the text: x [B*T, H*W, D], context [B, L, E] -> [B*T, H*W, D].</summary>
    public Tensor InSpace(Tensor x, Tensor context)
    {
        using DisposeScope scope = NewDisposeScope();
        x = _attn1.Self(_norm1.forward(x), x);
        x = _attn2.Cross(_norm2.forward(x), context, x);
        return _ff.Forward(_norm3.forward(x), x).MoveToOuterDisposeScope();
    }

    /// <summary>Frames of a pixel attend to each other, twice: x [B, T, H*W, D] -> the same shape.</summary>
    public Tensor OverTime(Tensor x)
    {
        using DisposeScope scope = NewDisposeScope();
        x = _attn1.OverTime(_norm1.forward(x), x);
        x = _attn2.OverTime(_norm2.forward(x), x);
        return _ff.Forward(_norm3.forward(x), x).MoveToOuterDisposeScope();
    }
}
