using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>
/// A residual block on each frame, a residual block over time on its output, and a learned blend of both (Blattmann et al. 2023, "Align your latents",
/// arXiv 2304.08818, section 3.1). Reference: diffusers, <c>SpatioTemporalResBlock</c>.
/// </summary>
internal sealed class SpatioTemporalResBlock : nn.Module
{
    /// <summary>Groups of every group norm, whatever the channels.</summary>
    internal const long Groups = 32;

    [ComponentName(Name = "spatial_res_block")]
    private readonly ResnetBlock2D _spatial;

    [ComponentName(Name = "temporal_res_block")]
    private readonly TemporalResnetBlock _temporal;

    [ComponentName(Name = "time_mixer")]
    private readonly AlphaBlender _mixer;

    /// <summary>Makes the block.</summary>
    /// <param name="inChannels">Channels of the input.</param>
    /// <param name="outChannels">Channels of the output.</param>
    /// <param name="embeddingWidth">Width of the time embedding; null: the block has none.</param>
    /// <param name="eps">Epsilon of the norms in space.</param>
    /// <param name="placement">Where and how weights are stored.</param>
    /// <param name="temporalEps">Epsilon of the norms over time; null: as in space.</param>
    /// <param name="blend">Where the blend's weight comes from.</param>
    /// <param name="switched">Whether that weight is the temporal branch's.</param>
    public SpatioTemporalResBlock(
        long inChannels, long outChannels, long? embeddingWidth, double eps, Placement placement,
        double? temporalEps = null, BlendStrategy blend = BlendStrategy.LearnedWithImages, bool switched = false)
        : base(nameof(SpatioTemporalResBlock))
    {
        _spatial = new ResnetBlock2D(inChannels, outChannels, embeddingWidth, Groups, eps, "silu", placement);
        _temporal = new TemporalResnetBlock(outChannels, embeddingWidth, temporalEps ?? eps, placement);
        _mixer = new AlphaBlender(blend, switched, placement);
        RegisterComponents();
    }

    /// <summary>Runs the block.</summary>
    /// <param name="x">[B*T, in, H, W], frames of a sample adjacent.</param>
    /// <param name="temb">[R, E], R = 1, B or B*T; null where the block has none.</param>
    /// <param name="frames">T.</param>
    /// <param name="imageOnly">[B, T], 1 for frames that are images of their own; null: there are none.</param>
    /// <returns>[B*T, out, H, W].</returns>
    public Tensor Forward(Tensor x, Tensor? temb, long frames, Tensor? imageOnly = null)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor spatial = TokenLayout.ToSegments(_spatial.Forward(x, temb), frames); // [B, C, T, H*W]
        Tensor temporal = _temporal.Forward(spatial, temb);
        Tensor y = _mixer.Blend(spatial, temporal, imageOnly?.view(-1, 1, frames, 1));
        return TokenLayout.FromSegments(y, x.shape[2], x.shape[3]).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// Runs a block without time embedding on images so large that not even one block's graph should be held whole: images, the first half over time and the
    /// second are recomputed by themselves.
    /// </summary>
    /// <param name="x">[B*T, in, H, W].</param>
    /// <param name="frames">T.</param>
    /// <returns>[B*T, out, H, W].</returns>
    public Tensor ForwardInParts(Tensor x, long frames)
    {
        if (ImageBands.Suits(x))
        {
            return ForwardInBands(x, frames);
        }

        using DisposeScope scope = NewDisposeScope();
        Tensor spatial = TokenLayout.ToSegments(Recompute.RunRows(part => _spatial.Forward(part, temb: null), x), frames); // [B, C, T, H*W]
        Tensor hidden = Recompute.Run(inputs => _temporal.FirstHalf(inputs[0]), spatial);
        Tensor y = Recompute.Run(Blended, spatial, hidden);
        return TokenLayout.FromSegments(y, x.shape[2], x.shape[3]).MoveToOuterDisposeScope();

        Tensor Blended(IReadOnlyList<Tensor> inputs)
        {
            using Tensor temporal = _temporal.SecondHalf(inputs[0], inputs[1]);
            return _mixer.Blend(inputs[0], temporal);
        }
    }

    // Convolutions over time see one pixel in all frames: bands need no halo.
    private Tensor ForwardInBands(Tensor x, long frames)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor spatial = _spatial.ForwardInBands(x);
        return BandedBlocks.Residual(
            new ImageBands(frames, halo: 0), spatial, Groups, Video, (images, moments) => _temporal.FirstHalf(Video(images), moments), Blended)
            .MoveToOuterDisposeScope();

        Tensor Video(Tensor images) => TokenLayout.ToSegments(images, frames); // [1, C, T, h*W]

        Tensor Blended(Tensor images, Tensor hidden, Tensor moments)
        {
            Tensor video = Video(images);
            return TokenLayout.FromSegments(_mixer.Blend(video, _temporal.SecondHalf(video, hidden, moments)), images.shape[2], images.shape[3]);
        }
    }
}

/// <summary>
/// norm1, SiLU, conv1, + time_emb_proj(SiLU(temb)), norm2, SiLU, conv2, + input, with convolutions over three frames; statistics span all frames of a video.
/// Reference: diffusers, <c>TemporalResnetBlock</c>.
/// </summary>
internal sealed class TemporalResnetBlock : nn.Module, ITimeDependent
{
    [ComponentName(Name = "norm1")]
    private readonly GroupNorm _norm1;

    [ComponentName(Name = "conv1")]
    private readonly TemporalConv3d _conv1;

    [ComponentName(Name = "time_emb_proj")]
    private readonly Linear? _timeEmbProj;

    [ComponentName(Name = "norm2")]
    private readonly GroupNorm _norm2;

    [ComponentName(Name = "conv2")]
    private readonly TemporalConv3d _conv2;

    public TemporalResnetBlock(long channels, long? embeddingWidth, double eps, Placement placement)
        : base(nameof(TemporalResnetBlock))
    {
        _norm1 = new GroupNorm(SpatioTemporalResBlock.Groups, channels, eps, placement);
        _conv1 = new TemporalConv3d(channels, channels, 3, placement);
        _timeEmbProj = embeddingWidth is { } width ? new Linear(width, channels, placement) : null;
        _norm2 = new GroupNorm(SpatioTemporalResBlock.Groups, channels, eps, placement);
        _conv2 = new TemporalConv3d(channels, channels, 3, placement);
        RegisterComponents();
    }

    /// <summary>A shift of its own for each frame is never all removed; networks have one for all of them.</summary>
    public bool DependsOnTime => _timeEmbProj is not null && !_norm2.RemovesShifts;

    /// <summary>Runs the block.</summary>
    /// <param name="x">[B, C, T, H*W].</param>
    /// <param name="temb">[R, E], R = 1, B or B*T; null where the block has none.</param>
    /// <returns>The shape of x.</returns>
    public Tensor Forward(Tensor x, Tensor? temb)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor hidden = _norm1.ForwardActivated(x, Activation.Silu);
        bool uniform = temb is not null && temb.shape[0] <= x.shape[0];
        Tensor? shift = temb is null || _timeEmbProj is null ? null : _norm2.ComputeShift(_timeEmbProj, Activation.Silu.Apply(temb), uniform); // [R, C]
        if (shift is not null && shift.shape[0] == 1)
        {
            hidden = _conv1.Forward(hidden, shift.squeeze(0));
        }
        else
        {
            hidden = _conv1.forward(hidden);
            if (shift is not null)
            {
                long batch = x.shape[0];
                hidden = hidden.Add(shift.view(batch, shift.shape[0] / batch, -1).transpose(1, 2).unsqueeze(-1)); // [B, C, 1 or T, 1]
            }
        }

        return SecondHalf(x, hidden).MoveToOuterDisposeScope();
    }

    /// <summary>norm1, SiLU, conv1, for blocks without time embedding.</summary>
    /// <param name="x">[B, C, T, H*W].</param>
    /// <param name="moments">Those of norm1 where x is a part of a video; null: those of x.</param>
    /// <returns>The shape of x.</returns>
    public Tensor FirstHalf(Tensor x, Tensor? moments = null)
    {
        using Tensor active = _norm1.ForwardActivated(x, Activation.Silu, moments);
        return _conv1.forward(active);
    }

    /// <summary>x + conv2, SiLU, norm2 of what the first half gave.</summary>
    /// <param name="x">[B, C, T, H*W], the block's input.</param>
    /// <param name="hidden">The first half's output.</param>
    /// <param name="moments">Those of norm2 where x is a part of a video; null: those of the hidden.</param>
    /// <returns>The shape of x.</returns>
    public Tensor SecondHalf(Tensor x, Tensor hidden, Tensor? moments = null)
    {
        _conv1.Slot.RecordUse(matters: !_norm2.RemovesAll(hidden));
        using Tensor active = _norm2.ForwardActivated(hidden, Activation.Silu, moments);
        using Tensor moved = _conv2.forward(active);
        return x.Add(moved);
    }
}
