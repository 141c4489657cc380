using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Models;

/// <summary>
/// One level of the encoder or decoder: residual blocks, then the change of size. Reference: diffusers, <c>DownEncoderBlock2D</c>, <c>UpDecoderBlock2D</c>.
/// </summary>
internal sealed class VaeLevel : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "resnets")]
    private readonly TorchSharp.Modules.ModuleList<ResnetBlock2D> _resnets;

    [ComponentName(Name = "downsamplers")]
    private readonly TorchSharp.Modules.ModuleList<Downsample2D>? _downsamplers;

    [ComponentName(Name = "upsamplers")]
    private readonly TorchSharp.Modules.ModuleList<Upsample2D>? _upsamplers;

    public VaeLevel(AutoencoderKLConfig config, long inChannels, long outChannels, long layers, bool downsample, bool upsample, Placement placement)
        : base(nameof(VaeLevel))
    {
        _resnets = nn.ModuleList([.. Enumerable.Range(0, (int)layers)
            .Select(layer => VaeMiddle.CreateResnet(config, layer == 0 ? inChannels : outChannels, outChannels, placement))]);
        _downsamplers = downsample ? nn.ModuleList(new Downsample2D(outChannels, padding: 0, placement)) : null;
        _upsamplers = upsample ? nn.ModuleList(new Upsample2D(outChannels, placement)) : null;
        RegisterComponents();
    }

    /// <summary>Applies a level of the decoder in bands where the flow of execution asks for it; each residual block is recomputed by itself.</summary>
    /// <param name="x">[N, in, H, W].</param>
    /// <returns>[N, out, H', W'].</returns>
    public Tensor ForwardInBands(Tensor x)
    {
        using DisposeScope scope = NewDisposeScope();
        foreach (ResnetBlock2D resnet in _resnets)
        {
            x = Recompute.Run(inputs => resnet.ForwardInBands(inputs[0]), x);
        }

        return (_upsamplers?[0].DoubleInBands(x) ?? x).MoveToOuterDisposeScope();
    }

    /// <summary>Applies the level.</summary>
    /// <param name="x">[N, in, H, W].</param>
    /// <returns>[N, out, H', W'].</returns>
    public override Tensor forward(Tensor x)
    {
        using DisposeScope scope = NewDisposeScope();
        foreach (ResnetBlock2D resnet in _resnets)
        {
            x = resnet.Forward(x, temb: null);
        }

        x = _downsamplers?[0].forward(x) ?? x;
        x = _upsamplers?[0].Forward(x, 2 * x.shape[2], 2 * x.shape[3]) ?? x;
        return x.MoveToOuterDisposeScope();
    }
}

/// <summary>Residual block, attention between pixels, residual block. Reference: diffusers, <c>UNetMidBlock2D</c>.</summary>
internal sealed class VaeMiddle : nn.Module<Tensor, Tensor>
{
    /// <summary>Eps of every GroupNorm of the autoencoder.</summary>
    internal const double Eps = 1e-6;

    [ComponentName(Name = "resnets")]
    private readonly TorchSharp.Modules.ModuleList<ResnetBlock2D> _resnets;

    [ComponentName(Name = "attentions")]
    private readonly TorchSharp.Modules.ModuleList<PixelAttention>? _attentions;

    public VaeMiddle(AutoencoderKLConfig config, Placement placement)
        : base(nameof(VaeMiddle))
    {
        long channels = config.BlockOutChannels[^1];
        _resnets = nn.ModuleList(CreateResnet(config, channels, channels, placement), CreateResnet(config, channels, channels, placement));
        _attentions = config.MidBlockAddAttention ? nn.ModuleList(new PixelAttention(channels, config.NormGroups, Eps, placement)) : null;
        RegisterComponents();
    }

    internal static ResnetBlock2D CreateResnet(AutoencoderKLConfig config, long inChannels, long outChannels, Placement placement) =>
        new(inChannels, outChannels, embeddingWidth: null, config.NormGroups, Eps, config.Activation, placement);

    /// <summary>Applies the three parts.</summary>
    /// <param name="x">[N, C, H, W].</param>
    /// <returns>[N, C, H, W].</returns>
    public override Tensor forward(Tensor x)
    {
        using DisposeScope scope = NewDisposeScope();
        x = _resnets[0].Forward(x, temb: null);
        x = _attentions?[0].forward(x) ?? x;
        return _resnets[1].Forward(x, temb: null).MoveToOuterDisposeScope();
    }
}
