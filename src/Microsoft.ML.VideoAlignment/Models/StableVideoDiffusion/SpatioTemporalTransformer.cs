using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Models.StableVideoDiffusion;

/// <summary>
/// x + proj_out(pairs(proj_in(norm x))). Each pair is a block over the pixels of a frame, a block over the frames of a pixel (which knows the frame's number),
/// and a blend; all pairs share the frame embedding and the blend.
/// </summary>
/// <remarks>
/// Reference: diffusers, <c>TransformerSpatioTemporalModel</c>, in the order of batch and frames that it has since the temporal context was corrected.
/// </remarks>
internal sealed class SpatioTemporalTransformer : nn.Module
{
    private const double GroupNormEps = 1e-6;

    [ComponentName(Name = "norm")]
    private readonly GroupNorm _norm;

    [ComponentName(Name = "proj_in")]
    private readonly Linear _projIn;

    [ComponentName(Name = "transformer_blocks")]
    private readonly TorchSharp.Modules.ModuleList<TransformerBlock> _blocks;

    [ComponentName(Name = "temporal_transformer_blocks")]
    private readonly TorchSharp.Modules.ModuleList<TemporalTransformerBlock> _temporalBlocks;

    [ComponentName(Name = "time_pos_embed")]
    private readonly TimestepEmbedding _timePosEmbed;

    [ComponentName(Name = "time_mixer")]
    private readonly AlphaBlender _timeMixer;

    [ComponentName(Name = "proj_out")]
    private readonly Linear _projOut;

    private readonly long _channels;

    /// <summary>Creates the transformer.</summary>
    /// <param name="channels">C.</param>
    /// <param name="heads">Attention heads.</param>
    /// <param name="headSize">Features per head.</param>
    /// <param name="contextWidth">Width of the context's tokens; null: the second attentions attend to the pixels again.</param>
    /// <param name="pairs">Number of pairs of blocks.</param>
    /// <param name="placement">Where the weights are stored, and in what precision.</param>
    public SpatioTemporalTransformer(long channels, long heads, long headSize, long? contextWidth, long pairs, Placement placement)
        : base(nameof(SpatioTemporalTransformer))
    {
        long inner = heads * headSize;
        _channels = channels;
        _norm = new GroupNorm(SpatioTemporalResBlock.Groups, channels, GroupNormEps, placement);
        _projIn = new Linear(channels, inner, placement);
        _blocks = nn.ModuleList([.. Enumerable.Range(0, (int)pairs).Select(_ => new TransformerBlock(heads, headSize, contextWidth, placement))]);
        _temporalBlocks = nn.ModuleList(
            [.. Enumerable.Range(0, (int)pairs).Select(_ => new TemporalTransformerBlock(heads, headSize, contextWidth, placement))]);
        _timePosEmbed = new TimestepEmbedding(channels, 4 * channels, "silu", placement, outWidth: channels);
        _timeMixer = new AlphaBlender(BlendStrategy.LearnedWithImages, switched: false, placement);
        _projOut = new Linear(inner, channels, placement);
        RegisterComponents();
    }

    /// <summary>Applies the pairs of blocks.</summary>
    /// <param name="x">[B*T, C, H, W], frames of a sample adjacent.</param>
    /// <param name="context">[R, L, E], R = B or B*T.</param>
    /// <param name="frames">T.</param>
    /// <param name="imageOnly">[B, T], 1 for frames that are separate images; null: none.</param>
    /// <returns>[B*T, C, H, W].</returns>
    public Tensor Forward(Tensor x, Tensor context, long frames, Tensor? imageOnly = null)
    {
        using DisposeScope scope = NewDisposeScope();
        (long height, long width) = (x.shape[2], x.shape[3]);
        long batch = x.shape[0] / frames;

        // Over time all pixels attend to the context of the first frame.
        Tensor first = context.shape[0] == batch ? context : context.unflatten(0, [batch, frames]).select(1, 0);
        Tensor numbers = TimestepEmbedding.Sinusoid(ScalarOps.Range(frames, device: x.device), _channels, cosinesFirst: true, frequencyShift: 0);
        Tensor places = _timePosEmbed.forward(numbers.to_type(x.dtype)).unsqueeze(1); // [T, 1, D]
        Tensor? alone = imageOnly?.view(-1, frames, 1, 1);
        Tensor tokens = _projIn.forward(TokenLayout.ToTokens(_norm.forward(x))); // [B*T, H*W, D]
        for (int pair = 0; pair < _blocks.Count; pair++)
        {
            Tensor inSpace = _blocks[pair].ForwardInSpace(tokens, context).unflatten(0, [batch, frames]); // [B, T, H*W, D]
            Tensor overTime = _temporalBlocks[pair].Forward(inSpace.Add(places), first);
            tokens = _timeMixer.Blend(inSpace, overTime, alone).flatten(0, 1);
        }

        return TokenLayout.ToImages(_projOut.ForwardAdded(tokens, TokenLayout.ToTokens(x)), height, width).MoveToOuterDisposeScope();
    }
}

/// <summary>
/// x += ff_in(norm_in x); x += attn1(norm1 x); x += attn2(norm2 x, context); x += ff(norm3 x), where attn1 attends along a pixel's frames. Reference:
/// diffusers, <c>TemporalBasicTransformerBlock</c>.
/// </summary>
internal sealed class TemporalTransformerBlock : nn.Module
{
    private const double Eps = 1e-5;

    [ComponentName(Name = "norm_in")]
    private readonly LayerNorm _normIn;

    [ComponentName(Name = "ff_in")]
    private readonly FeedForward _ffIn;

    [ComponentName(Name = "norm1")]
    private readonly LayerNorm _norm1;

    [ComponentName(Name = "attn1")]
    private readonly Attention _attn1;

    [ComponentName(Name = "norm2")]
    private readonly LayerNorm? _norm2;

    [ComponentName(Name = "attn2")]
    private readonly Attention? _attn2;

    [ComponentName(Name = "norm3")]
    private readonly LayerNorm _norm3;

    [ComponentName(Name = "ff")]
    private readonly FeedForward _ff;

    /// <summary>Creates the block.</summary>
    /// <param name="heads">Attention heads.</param>
    /// <param name="headSize">Features per head.</param>
    /// <param name="contextWidth">Width of the context's tokens; null: there is no second attention.</param>
    /// <param name="placement">Where the weights are stored, and in what precision.</param>
    public TemporalTransformerBlock(long heads, long headSize, long? contextWidth, Placement placement)
        : base(nameof(TemporalTransformerBlock))
    {
        long width = heads * headSize;
        _normIn = new LayerNorm(width, Eps, placement);
        _ffIn = new FeedForward(width, placement);
        _norm1 = new LayerNorm(width, Eps, placement);
        _attn1 = new Attention(width, width, heads, headSize, placement);
        _norm2 = contextWidth is null ? null : new LayerNorm(width, Eps, placement);
        _attn2 = contextWidth is { } tokens ? new Attention(width, tokens, heads, headSize, placement) : null;
        _norm3 = new LayerNorm(width, Eps, placement);
        _ff = new FeedForward(width, placement);
        RegisterComponents();
    }

    /// <summary>Applies the block along the frames of each pixel.</summary>
    /// <param name="x">[B, T, H*W, D].</param>
    /// <param name="context">[B, L, E].</param>
    /// <returns>[B, T, H*W, D].</returns>
    public Tensor Forward(Tensor x, Tensor context)
    {
        using DisposeScope scope = NewDisposeScope();
        long frames = x.shape[1];
        x = _ffIn.Forward(_normIn.forward(x), x);
        x = _attn1.AttendOverTime(_norm1.forward(x), x);
        if (_attn2 is not null)
        {
            Tensor rows = x.flatten(0, 1); // [B*T, H*W, D]
            x = _attn2.AttendToContext(_norm2!.forward(rows), context, rows).unflatten(0, [-1, frames]);
        }

        return _ff.Forward(_norm3.forward(x), x).MoveToOuterDisposeScope();
    }
}
