using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>
/// x + proj_out(blocks(proj_in(norm x))): every pixel attends to itself at other times, without mask; the norm's statistics span all frames of a video.
/// Reference: diffusers, <c>TransformerTemporalModel</c>; lvdm, <c>TemporalTransformer</c>, whose projections some files hold as convolutions [o, i, 1].
/// </summary>
/// <remarks>Only attention itself needs the time axis, so tokens stay in frame order.</remarks>
internal sealed class TemporalTransformer : nn.Module
{
    private const double GroupNormEps = 1e-6;

    [ComponentName(Name = "norm")]
    private readonly GroupNorm _norm;

    [ComponentName(Name = "proj_in")]
    private readonly Linear _projIn;

    [ComponentName(Name = "transformer_blocks")]
    private readonly TorchSharp.Modules.ModuleList<TransformerBlock> _blocks;

    [ComponentName(Name = "proj_out")]
    private readonly Linear _projOut;

    /// <summary>Makes the layer.</summary>
    /// <param name="channels">C.</param>
    /// <param name="heads">Attention heads.</param>
    /// <param name="headSize">Width of a head.</param>
    /// <param name="groups">Groups of the norm.</param>
    /// <param name="placement">Where and how weights are stored.</param>
    /// <param name="blocks">How many blocks.</param>
    /// <param name="attentionBias">Whether queries, keys and values have one.</param>
    /// <param name="relativePositions">The largest distance in frames that attention tells apart; null: it tells none.</param>
    public TemporalTransformer(
        long channels, long heads, long headSize, long groups, Placement placement, long blocks = 1, bool attentionBias = false, long? relativePositions = null)
        : base(nameof(TemporalTransformer))
    {
        long inner = heads * headSize;
        _norm = new GroupNorm(groups, channels, GroupNormEps, placement);
        _projIn = new Linear(channels, inner, placement);
        _blocks = nn.ModuleList([.. Enumerable.Range(0, (int)blocks)
            .Select(_ => new TransformerBlock(heads, headSize, contextWidth: null, placement, attentionBias, relativePositions: relativePositions))]);
        _projOut = new Linear(inner, channels, placement);
        RegisterComponents();
    }

    /// <summary>Runs the blocks.</summary>
    /// <param name="x">[B*T, C, H, W].</param>
    /// <param name="frames">T.</param>
    /// <returns>The shape of x.</returns>
    public Tensor Forward(Tensor x, long frames)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor segments = TokenLayout.ToSegments(x, frames); // [B, C, T, H*W]
        Tensor tokens = _projIn.forward(_norm.forward(segments).permute(0, 2, 3, 1)); // [B, T, H*W, D]
        foreach (TransformerBlock block in _blocks)
        {
            tokens = block.ForwardOverTime(tokens);
        }

        Tensor y = _projOut.ForwardAdded(tokens, segments.permute(0, 2, 3, 1)).flatten(0, 1); // [B*T, H*W, C]
        return TokenLayout.ToImages(y, x.shape[2], x.shape[3]).MoveToOuterDisposeScope();
    }
}
