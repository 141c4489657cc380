using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Models.ModelScope;

/// <summary>
/// One level of the network: layers of (residual block, temporal convolution and, in CrossAttn blocks, attention in space and over time), then the change of
/// size. Reference: diffusers, <c>CrossAttnDownBlock3D</c>, <c>DownBlock3D</c> and their Up twins.
/// </summary>
internal sealed class ModelScopeBlock : nn.Module, IUNetLevel
{
    [ComponentName(Name = "resnets")]
    private readonly TorchSharp.Modules.ModuleList<ResnetBlock2D> _resnets;

    [ComponentName(Name = "temp_convs")]
    private readonly TorchSharp.Modules.ModuleList<TemporalConvLayer> _tempConvs;

    [ComponentName(Name = "attentions")]
    private readonly TorchSharp.Modules.ModuleList<SpatialTransformer>? _attentions;

    [ComponentName(Name = "temp_attentions")]
    private readonly TorchSharp.Modules.ModuleList<TemporalTransformer>? _tempAttentions;

    [ComponentName(Name = "downsamplers")]
    private readonly TorchSharp.Modules.ModuleList<Downsample2D>? _downsamplers;

    [ComponentName(Name = "upsamplers")]
    private readonly TorchSharp.Modules.ModuleList<Upsample2D>? _upsamplers;

    /// <summary>Creates a level.</summary>
    /// <param name="config">The network's configuration.</param>
    /// <param name="inChannels">Input width of each layer; in the upward half including the skip's.</param>
    /// <param name="outChannels">Output width of each layer.</param>
    /// <param name="attention">Whether each layer attends.</param>
    /// <param name="downsample">Whether the level ends by halving the size.</param>
    /// <param name="upsample">Whether the level ends by doubling the size.</param>
    /// <param name="placement">Where the weights are stored, and in what precision.</param>
    public ModelScopeBlock(
        ModelScopeUNetConfig config, IReadOnlyList<long> inChannels, long outChannels, bool attention, bool downsample, bool upsample, Placement placement)
        : base(nameof(ModelScopeBlock))
    {
        long temb = 4 * config.BlockOutChannels[0];
        long heads = outChannels / config.HeadSize;
        _resnets = nn.ModuleList([.. inChannels
            .Select(width => new ResnetBlock2D(width, outChannels, temb, config.NormGroups, config.NormEps, config.Activation, placement))]);
        _tempConvs = nn.ModuleList([.. inChannels.Select(_ => new TemporalConvLayer(outChannels, config.NormGroups, placement))]);
        if (attention)
        {
            _attentions = nn.ModuleList([.. inChannels
                .Select(_ => new SpatialTransformer(outChannels, heads, config.HeadSize, config.CrossAttentionWidth, config.NormGroups, placement))]);
            _tempAttentions = nn.ModuleList([.. inChannels
                .Select(_ => new TemporalTransformer(outChannels, heads, config.HeadSize, config.NormGroups, placement))]);
        }

        _downsamplers = downsample ? nn.ModuleList(new Downsample2D(outChannels, config.DownsamplePadding, placement)) : null;
        _upsamplers = upsample ? nn.ModuleList(new Upsample2D(outChannels, placement)) : null;
        RegisterComponents();
    }

    public int Layers => _resnets.Count;

    public Downsample2D? Downsampler => _downsamplers?[0];

    public Upsample2D? Upsampler => _upsamplers?[0];

    /// <inheritdoc/>
    public Tensor Layer(int index, Tensor x, Tensor temb, Tensor context, long frames)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor hidden = _resnets[index].Forward(x, temb);
        hidden = _tempConvs[index].Forward(hidden, frames);
        if (_attentions is not null)
        {
            hidden = _attentions[index].Forward(hidden, context);
            hidden = _tempAttentions![index].Forward(hidden, frames);
        }

        return hidden.MoveToOuterDisposeScope();
    }
}

/// <summary>
/// The middle: residual block, temporal convolution, attention in space and over time, and the first two again. Reference: diffusers,
/// <c>UNetMidBlock3DCrossAttn</c>.
/// </summary>
internal sealed class ModelScopeMidBlock : nn.Module
{
    [ComponentName(Name = "resnets")]
    private readonly TorchSharp.Modules.ModuleList<ResnetBlock2D> _resnets;

    [ComponentName(Name = "temp_convs")]
    private readonly TorchSharp.Modules.ModuleList<TemporalConvLayer> _tempConvs;

    [ComponentName(Name = "attentions")]
    private readonly TorchSharp.Modules.ModuleList<SpatialTransformer> _attentions;

    [ComponentName(Name = "temp_attentions")]
    private readonly TorchSharp.Modules.ModuleList<TemporalTransformer> _tempAttentions;

    public ModelScopeMidBlock(ModelScopeUNetConfig config, Placement placement)
        : base(nameof(ModelScopeMidBlock))
    {
        long channels = config.BlockOutChannels[^1];
        long temb = 4 * config.BlockOutChannels[0];
        long heads = channels / config.HeadSize;
        ResnetBlock2D Resnet() =>
            new(channels, channels, temb, config.NormGroups, config.NormEps, config.Activation, placement, config.MidBlockScaleFactor);
        _resnets = nn.ModuleList(Resnet(), Resnet());
        _tempConvs = nn.ModuleList(
            new TemporalConvLayer(channels, config.NormGroups, placement), new TemporalConvLayer(channels, config.NormGroups, placement));
        _attentions = nn.ModuleList(new SpatialTransformer(channels, heads, config.HeadSize, config.CrossAttentionWidth, config.NormGroups, placement));
        _tempAttentions = nn.ModuleList(new TemporalTransformer(channels, heads, config.HeadSize, config.NormGroups, placement));
        RegisterComponents();
    }

    /// <summary>Applies the parts in that order.</summary>
    /// <param name="x">[B*T, C, H, W].</param>
    /// <param name="temb">[1 or B, E].</param>
    /// <param name="context">[B, L, D].</param>
    /// <param name="frames">T.</param>
    /// <returns>[B*T, C, H, W].</returns>
    public Tensor Forward(Tensor x, Tensor temb, Tensor context, long frames)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor hidden = _tempConvs[0].Forward(_resnets[0].Forward(x, temb), frames);
        hidden = _tempAttentions[0].Forward(_attentions[0].Forward(hidden, context), frames);
        return _tempConvs[1].Forward(_resnets[1].Forward(hidden, temb), frames).MoveToOuterDisposeScope();
    }
}
