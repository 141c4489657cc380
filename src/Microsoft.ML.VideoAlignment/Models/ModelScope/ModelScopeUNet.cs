using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Models.ModelScope;

/// <summary>
/// The denoiser of ModelScope's text-to-video (Wang et al. 2023, arXiv 2308.06571): a 2-D diffusion UNet with a temporal convolution after every residual block
/// and attention over time after every attention in space. Reference: diffusers, <c>UNet3DConditionModel</c>, whose keys it has.
/// </summary>
internal sealed class ModelScopeUNet : nn.Module
{
    // transformer_in has eight heads, whatever the channels.
    private const long TransformerInHeads = 8;

    [ComponentName(Name = "conv_in")]
    private readonly Conv2d _convIn;

    [ComponentName(Name = "time_embedding")]
    private readonly TimestepEmbedding _timeEmbedding;

    [ComponentName(Name = "transformer_in")]
    private readonly TemporalTransformer _transformerIn;

    [ComponentName(Name = "down_blocks")]
    private readonly TorchSharp.Modules.ModuleList<ModelScopeBlock> _downBlocks;

    [ComponentName(Name = "mid_block")]
    private readonly ModelScopeMidBlock _midBlock;

    [ComponentName(Name = "up_blocks")]
    private readonly TorchSharp.Modules.ModuleList<ModelScopeBlock> _upBlocks;

    [ComponentName(Name = "conv_norm_out")]
    private readonly GroupNorm _convNormOut;

    [ComponentName(Name = "conv_out")]
    private readonly Conv2d _convOut;

    private readonly Activation _activation;

    public ModelScopeUNet(ModelScopeUNetConfig config, Placement placement)
        : base(nameof(ModelScopeUNet))
    {
        config.Validate();
        Config = config;
        IReadOnlyList<long> widths = config.BlockOutChannels;
        int levels = widths.Count;
        _convIn = new Conv2d(config.InChannels, widths[0], 3, placement, padding: 1);
        _timeEmbedding = new TimestepEmbedding(widths[0], 4 * widths[0], config.Activation, placement);
        _transformerIn = new TemporalTransformer(widths[0], TransformerInHeads, config.HeadSize, config.NormGroups, placement);

        (IReadOnlyList<IReadOnlyList<long>> down, IReadOnlyList<IReadOnlyList<long>> up) =
            UNetSkeleton.ComputeWidths(widths[0], widths, [.. Enumerable.Repeat(config.LayersPerBlock, levels)]);
        _downBlocks = nn.ModuleList([.. down.Select((inChannels, level) => new ModelScopeBlock(
            config, inChannels, widths[level], config.DownBlockTypes[level] == "CrossAttnDownBlock3D", downsample: level < levels - 1, upsample: false,
            placement))]);
        _midBlock = new ModelScopeMidBlock(config, placement);
        _upBlocks = nn.ModuleList([.. up.Select((inChannels, step) => new ModelScopeBlock(
            config, inChannels, widths[levels - 1 - step], config.UpBlockTypes[step] == "CrossAttnUpBlock3D", downsample: false,
            upsample: step < levels - 1, placement))]);
        _convNormOut = new GroupNorm(config.NormGroups, widths[0], config.NormEps, placement);
        _convOut = new Conv2d(widths[0], config.OutChannels, 3, placement, padding: 1);
        _activation = Activation.ByName(config.Activation);
        RegisterComponents();
        _timeEmbedding.DeclareReaders(this);
    }

    public ModelScopeUNetConfig Config { get; }

    /// <summary>Predicts with one timestep for the whole batch; see <see cref="Forward(Tensor, Tensor, Tensor)"/>.</summary>
    /// <param name="sample">[B, in, T, H, W].</param>
    /// <param name="timestep">Whole or fractional, from 0 to 1000.</param>
    /// <param name="context">[B, L, D].</param>
    /// <returns>[B, out, T, H, W], contiguous.</returns>
    public Tensor Forward(Tensor sample, double timestep, Tensor context)
    {
        using Tensor one = ScalarOps.Full([], timestep, dtype: ScalarType.Float64, device: sample.device);
        return Forward(sample, one, context);
    }

    /// <summary>Predicts from noisy latents.</summary>
    /// <param name="sample">[B, in, T, H, W].</param>
    /// <param name="timestep">[B], [1] or [], whole or fractional, from 0 to 1000.</param>
    /// <param name="context">The text [B, L, D].</param>
    /// <returns>[B, out, T, H, W], contiguous.</returns>
    public Tensor Forward(Tensor sample, Tensor timestep, Tensor context)
    {
        Shapes.Require(sample, $"B, {Config.InChannels}, T, H, W");
        Shapes.Require(context, $"{sample.shape[0]}, L, {Config.CrossAttentionWidth}");
        using DisposeScope scope = NewDisposeScope();
        long frames = sample.shape[2];
        Tensor sinusoid = TimestepEmbedding.Sinusoid(timestep.flatten(), Config.BlockOutChannels[0], cosinesFirst: true, frequencyShift: 0);
        Tensor temb = _timeEmbedding.forward(sinusoid.to(sample.device).to_type(sample.dtype));
        if (temb.shape[0] != 1 && temb.shape[0] != sample.shape[0])
        {
            throw new ArgumentException($"timestep: expected one value, or one per sample ({sample.shape[0]}), got {temb.shape[0]}.", nameof(timestep));
        }

        Tensor images = sample.permute(0, 2, 1, 3, 4).flatten(0, 1); // [B, C, T, H, W] -> [B*T, C, H, W]
        Tensor x = Recompute.Run(inputs => _transformerIn.Forward(_convIn.forward(inputs[0]), frames), images);
        x = UNetSkeleton.Run(x, temb, context, frames, _downBlocks, _midBlock.Forward, _upBlocks);
        Tensor y = _convOut.forward(_convNormOut.ForwardActivated(x, _activation)); // [B*T, out, H, W]
        return y.unflatten(0, [-1, frames]).permute(0, 2, 1, 3, 4).contiguous().MoveToOuterDisposeScope();
    }
}
