using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Models.StableVideoDiffusion;

/// <summary>
/// One level of the network: layers of a residual block and, where the level attends, a transformer, then the change of size. Reference: diffusers,
/// <c>CrossAttnDownBlockSpatioTemporal</c>, <c>DownBlockSpatioTemporal</c> and their Up twins.
/// </summary>
internal sealed class StableVideoDiffusionBlock : nn.Module, IUNetLevel
{
    [ComponentName(Name = "resnets")]
    private readonly TorchSharp.Modules.ModuleList<SpatioTemporalResBlock> _resnets;

    [ComponentName(Name = "attentions")]
    private readonly TorchSharp.Modules.ModuleList<SpatioTemporalTransformer>? _attentions;

    [ComponentName(Name = "downsamplers")]
    private readonly TorchSharp.Modules.ModuleList<Downsample2D>? _downsamplers;

    [ComponentName(Name = "upsamplers")]
    private readonly TorchSharp.Modules.ModuleList<Upsample2D>? _upsamplers;

    /// <summary>Creates a level.</summary>
    /// <param name="config">The network's configuration.</param>
    /// <param name="level">Index of the level; 0 = full size.</param>
    /// <param name="inChannels">Input width of each layer; in the upward half including the skip's.</param>
    /// <param name="eps">Eps of the residual blocks' norms.</param>
    /// <param name="attends">Whether each layer has a transformer.</param>
    /// <param name="downsample">Whether the level ends by halving the size.</param>
    /// <param name="upsample">Whether the level ends by doubling the size.</param>
    /// <param name="placement">Where the weights are stored, and in what precision.</param>
    public StableVideoDiffusionBlock(
        StableVideoDiffusionUNetConfig config, int level, IReadOnlyList<long> inChannels, double eps, bool attends, bool downsample, bool upsample,
        Placement placement)
        : base(nameof(StableVideoDiffusionBlock))
    {
        long channels = config.BlockOutChannels[level];
        _resnets = nn.ModuleList([.. inChannels.Select(width => new SpatioTemporalResBlock(width, channels, 4 * config.BlockOutChannels[0], eps, placement))]);
        _attentions = attends ? nn.ModuleList([.. inChannels.Select(_ => CreateTransformer(config, level, placement))]) : null;
        _downsamplers = downsample ? nn.ModuleList(new Downsample2D(channels, padding: 1, placement)) : null;
        _upsamplers = upsample ? nn.ModuleList(new Upsample2D(channels, placement)) : null;
        RegisterComponents();
    }

    public int Layers => _resnets.Count;

    public Downsample2D? Downsampler => _downsamplers?[0];

    public Upsample2D? Upsampler => _upsamplers?[0];

    /// <inheritdoc/>
    public Tensor Layer(int index, Tensor x, Tensor temb, Tensor context, long frames)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor hidden = _resnets[index].Forward(x, temb, frames);
        hidden = _attentions?[index].Forward(hidden, context, frames) ?? hidden;
        return hidden.MoveToOuterDisposeScope();
    }

    internal static SpatioTemporalTransformer CreateTransformer(StableVideoDiffusionUNetConfig config, int level, Placement placement)
    {
        (long channels, long heads) = (config.BlockOutChannels[level], config.Heads[level]);
        return new SpatioTemporalTransformer(channels, heads, channels / heads, config.CrossAttentionWidth[level], config.TransformerLayers[level], placement);
    }
}

/// <summary>The middle: residual block, transformer, residual block, all of the last level. Reference: diffusers, <c>UNetMidBlockSpatioTemporal</c>.</summary>
internal sealed class StableVideoDiffusionMidBlock : nn.Module
{
    private const double Eps = 1e-5;

    [ComponentName(Name = "resnets")]
    private readonly TorchSharp.Modules.ModuleList<SpatioTemporalResBlock> _resnets;

    [ComponentName(Name = "attentions")]
    private readonly TorchSharp.Modules.ModuleList<SpatioTemporalTransformer> _attentions;

    public StableVideoDiffusionMidBlock(StableVideoDiffusionUNetConfig config, Placement placement)
        : base(nameof(StableVideoDiffusionMidBlock))
    {
        long channels = config.BlockOutChannels[^1];
        SpatioTemporalResBlock Resnet() => new(channels, channels, 4 * config.BlockOutChannels[0], Eps, placement);
        _resnets = nn.ModuleList(Resnet(), Resnet());
        _attentions = nn.ModuleList(StableVideoDiffusionBlock.CreateTransformer(config, config.BlockOutChannels.Count - 1, placement));
        RegisterComponents();
    }

    /// <summary>Applies the three parts.</summary>
    /// <param name="x">[B*T, C, H, W].</param>
    /// <param name="temb">[1 or B, E].</param>
    /// <param name="context">[B, L, D].</param>
    /// <param name="frames">T.</param>
    /// <returns>[B*T, C, H, W].</returns>
    public Tensor Forward(Tensor x, Tensor temb, Tensor context, long frames)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor hidden = _attentions[0].Forward(_resnets[0].Forward(x, temb, frames), context, frames);
        return _resnets[1].Forward(hidden, temb, frames).MoveToOuterDisposeScope();
    }
}
