using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>
/// x + proj_out(blocks(proj_in(norm x))): the pixels of each frame attend to each other and to the text. Reference: diffusers, <c>Transformer2DModel</c>; lvdm,
/// <c>SpatialTransformer</c>.
/// </summary>
/// <remarks>The projections are Linear, or 1x1 convolutions in older models.</remarks>
internal sealed class SpatialTransformer : nn.Module
{
    private const double GroupNormEps = 1e-6;

    [ComponentName(Name = "norm")]
    private readonly GroupNorm _norm;

    [ComponentName(Name = "proj_in")]
    private readonly nn.Module<Tensor, Tensor> _projIn;

    [ComponentName(Name = "transformer_blocks")]
    private readonly TorchSharp.Modules.ModuleList<TransformerBlock> _blocks;

    [ComponentName(Name = "proj_out")]
    private readonly nn.Module<Tensor, Tensor> _projOut;

    public SpatialTransformer(
        long channels, long heads, long headSize, long? contextWidth, long groups, Placement placement,
        bool linearProjection = true, long blocks = 1, bool attentionBias = false, double layerNormEps = 1e-5)
        : base(nameof(SpatialTransformer))
    {
        long inner = heads * headSize;
        _norm = new GroupNorm(groups, channels, GroupNormEps, placement);
        _projIn = linearProjection ? new Linear(channels, inner, placement) : new Conv2d(channels, inner, 1, placement);
        _blocks = nn.ModuleList([.. Enumerable.Range(0, (int)blocks)
            .Select(_ => new TransformerBlock(heads, headSize, contextWidth, placement, attentionBias, layerNormEps))]);
        _projOut = linearProjection ? new Linear(inner, channels, placement) : new Conv2d(inner, channels, 1, placement);
        RegisterComponents();
    }

    /// <summary>Runs the blocks.</summary>
    /// <param name="x">[B*T, C, H, W].</param>
    /// <param name="context">[B, L, E].</param>
    /// <returns>[B*T, C, H, W].</returns>
    public Tensor Forward(Tensor x, Tensor context)
    {
        using DisposeScope scope = NewDisposeScope();
        (long height, long width) = (x.shape[2], x.shape[3]);
        Tensor hidden = _norm.forward(x);
        Tensor tokens = _projIn is Linear ? _projIn.forward(TokenLayout.ToTokens(hidden)) : TokenLayout.ToTokens(_projIn.forward(hidden)); // [B*T, H*W, D]
        foreach (TransformerBlock block in _blocks)
        {
            tokens = block.ForwardInSpace(tokens, context);
        }

        Tensor y = _projOut is Linear projOut
            ? TokenLayout.ToImages(projOut.ForwardAdded(tokens, TokenLayout.ToTokens(x)), height, width)
            : x.Add(_projOut.forward(TokenLayout.ToImages(tokens, height, width)));
        return y.MoveToOuterDisposeScope();
    }
}
