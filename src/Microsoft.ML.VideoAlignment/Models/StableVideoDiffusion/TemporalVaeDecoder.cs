using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Models.StableVideoDiffusion;

/// <summary>Latents of videos to images; <c>up_blocks.0</c> is the deepest level. Reference: diffusers, <c>TemporalDecoder</c>.</summary>
internal sealed class TemporalVaeDecoder : nn.Module
{
    [ComponentName(Name = "conv_in")]
    private readonly Conv2d _convIn;

    [ComponentName(Name = "mid_block")]
    private readonly MiddleBlock _midBlock;

    [ComponentName(Name = "up_blocks")]
    private readonly TorchSharp.Modules.ModuleList<Level> _upBlocks;

    [ComponentName(Name = "conv_norm_out")]
    private readonly GroupNorm _convNormOut;

    [ComponentName(Name = "conv_out")]
    private readonly Conv2d _convOut;

    [ComponentName(Name = "time_conv_out")]
    private readonly TemporalConv3d _timeConvOut;

    public TemporalVaeDecoder(AutoencoderKLConfig config, Placement placement)
        : base(nameof(TemporalVaeDecoder))
    {
        long[] widths = [.. config.BlockOutChannels.Reverse()];
        _convIn = new Conv2d(config.LatentChannels, widths[0], 3, placement, padding: 1);
        _midBlock = new MiddleBlock(config, placement);
        _upBlocks = nn.ModuleList([.. widths.Select((width, level) => new Level(
            level == 0 ? widths[0] : widths[level - 1], width, config.LayersPerBlock + 1, upsample: level < widths.Length - 1, placement))]);
        _convNormOut = new GroupNorm(SpatioTemporalResBlock.Groups, widths[^1], VaeMiddle.Eps, placement);
        _convOut = new Conv2d(widths[^1], config.OutChannels, 3, placement, padding: 1);
        _timeConvOut = new TemporalConv3d(config.OutChannels, config.OutChannels, 3, placement);
        RegisterComponents();
    }

    /// <summary>Decodes the latents of videos.</summary>
    /// <param name="x">The encoder's latents [V*T, z, h, w], frames of a video adjacent.</param>
    /// <param name="frames">T.</param>
    /// <returns>[V*T, 3, f h, f w].</returns>
    public Tensor Forward(Tensor x, long frames)
    {
        using DisposeScope scope = NewDisposeScope();
        x = Recompute.Run(inputs => _midBlock.Forward(_convIn.forward(inputs[0]), frames), x);
        foreach (Level level in _upBlocks)
        {
            x = Recompute.TileBytes is null ? level.Forward(x, frames) : Recompute.Run(inputs => level.Forward(inputs[0], frames), x);
        }

        return Recompute.Run(inputs => Output(inputs[0], frames), x).MoveToOuterDisposeScope();
    }

    private static SpatioTemporalResBlock Resnet(long inChannels, long outChannels, Placement placement) =>
        new(inChannels, outChannels, embeddingWidth: null, VaeMiddle.Eps, placement, temporalEps: 1e-5, BlendStrategy.Learned, switched: true);

    private Tensor Output(Tensor x, long frames)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor images = ImageBands.Suits(x) ? BandedBlocks.NormAndConvolve(x, _convNormOut, Activation.Silu, _convOut) : Recompute.RunRows(Image, x);
        Tensor segments = _timeConvOut.forward(TokenLayout.ToSegments(images, frames));
        return TokenLayout.FromSegments(segments, images.shape[2], images.shape[3]).MoveToOuterDisposeScope();

        Tensor Image(Tensor part)
        {
            using Tensor active = _convNormOut.ForwardActivated(part, Activation.Silu);
            return _convOut.forward(active);
        }
    }

    // A residual block, attention between the pixels of a frame, a residual block. Files have as many residual blocks as a level has layers: without a second
    // one the attention is not used, nor is a third block. Reference: diffusers, MidBlockTemporalDecoder.
    private sealed class MiddleBlock : nn.Module
    {
        [ComponentName(Name = "resnets")]
        private readonly TorchSharp.Modules.ModuleList<SpatioTemporalResBlock> _resnets;

        [ComponentName(Name = "attentions")]
        private readonly TorchSharp.Modules.ModuleList<PixelAttention> _attentions;

        public MiddleBlock(AutoencoderKLConfig config, Placement placement)
            : base(nameof(MiddleBlock))
        {
            long channels = config.BlockOutChannels[^1];
            _resnets = nn.ModuleList([.. Enumerable.Range(0, (int)config.LayersPerBlock).Select(_ => Resnet(channels, channels, placement))]);
            _attentions = nn.ModuleList(new PixelAttention(channels, SpatioTemporalResBlock.Groups, VaeMiddle.Eps, placement));
            RegisterComponents();
        }

        public Tensor Forward(Tensor x, long frames)
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor hidden = _resnets[0].Forward(x, temb: null, frames);
            if (_resnets.Count > 1)
            {
                hidden = _resnets[1].Forward(_attentions[0].forward(hidden), temb: null, frames);
            }

            return hidden.MoveToOuterDisposeScope();
        }
    }

    // Residual blocks, then doubling of the size. Reference: diffusers, UpBlockTemporalDecoder.
    private sealed class Level : nn.Module
    {
        [ComponentName(Name = "resnets")]
        private readonly TorchSharp.Modules.ModuleList<SpatioTemporalResBlock> _resnets;

        [ComponentName(Name = "upsamplers")]
        private readonly TorchSharp.Modules.ModuleList<Upsample2D>? _upsamplers;

        public Level(long inChannels, long outChannels, long layers, bool upsample, Placement placement)
            : base(nameof(Level))
        {
            _resnets = nn.ModuleList(
                [.. Enumerable.Range(0, (int)layers).Select(layer => Resnet(layer == 0 ? inChannels : outChannels, outChannels, placement))]);
            _upsamplers = upsample ? nn.ModuleList(new Upsample2D(outChannels, placement)) : null;
            RegisterComponents();
        }

        // x: [V*T, in, H, W] -> [V*T, out, H', W']. Each residual block is recomputed separately, and in parts: of eight images of 576 x 1024 one tensor of the
        // last level takes 2.4 GB.
        public Tensor Forward(Tensor x, long frames)
        {
            using DisposeScope scope = NewDisposeScope();
            foreach (SpatioTemporalResBlock resnet in _resnets)
            {
                x = Recompute.IsActive
                    ? Recompute.Run(inputs => resnet.ForwardInParts(inputs[0], frames), x)
                    : resnet.Forward(x, temb: null, frames);
            }

            if (_upsamplers is not null)
            {
                x = ImageBands.Suits(x) ? _upsamplers[0].DoubleInBands(x) : Recompute.RunRows(_upsamplers[0].DoubleInBands, x);
            }

            return x.MoveToOuterDisposeScope();
        }
    }
}
