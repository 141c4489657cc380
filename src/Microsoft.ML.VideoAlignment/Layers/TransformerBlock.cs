using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>x += attn1(norm1 x); x += attn2(norm2 x); x += ff(norm3 x). Reference: diffusers, <c>BasicTransformerBlock</c>.</summary>
/// <remarks>In space attn2 attends to the text; in time it is a second self-attention.</remarks>
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

    /// <summary>Makes the block.</summary>
    /// <param name="heads">Attention heads.</param>
    /// <param name="headSize">Width of a head.</param>
    /// <param name="contextWidth">Width of the text's tokens; null: attn2 is a self-attention.</param>
    /// <param name="placement">Where and how weights are stored.</param>
    /// <param name="attentionBias">Whether queries, keys and values have one.</param>
    /// <param name="eps">Epsilon of the norms.</param>
    /// <param name="relativePositions">The largest distance in frames that both attentions tell apart; null: they tell none.</param>
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

    /// <summary>Pixels of a frame attend to each other and to the text.</summary>
    /// <param name="x">[B*T, H*W, D].</param>
    /// <param name="context">[B, L, E].</param>
    /// <returns>[B*T, H*W, D].</returns>
    public Tensor ForwardInSpace(Tensor x, Tensor context)
    {
        using DisposeScope scope = NewDisposeScope();
        x = _attn1.AttendToSelf(_norm1.forward(x), x);
        x = _attn2.AttendToContext(_norm2.forward(x), context, x);
        return _ff.Forward(_norm3.forward(x), x).MoveToOuterDisposeScope();
    }

    /// <summary>Frames of a pixel attend to each other, twice.</summary>
    /// <param name="x">[B, T, H*W, D].</param>
    /// <returns>The shape of x.</returns>
    public Tensor ForwardOverTime(Tensor x)
    {
        using DisposeScope scope = NewDisposeScope();
        x = _attn1.AttendOverTime(_norm1.forward(x), x);
        x = _attn2.AttendOverTime(_norm2.forward(x), x);
        return _ff.Forward(_norm3.forward(x), x).MoveToOuterDisposeScope();
    }
}
