using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Models.StableVideoDiffusion;

/// <summary>
/// The denoiser of Stable Video Diffusion (Blattmann et al. 2023, arXiv 2311.15127): a 2-D diffusion UNet whose every block is blended with a block over time.
/// Reference: diffusers, <c>UNetSpatioTemporalConditionModel</c>, whose keys it has.
/// </summary>
internal sealed class StableVideoDiffusionUNet : nn.Module
{
    // Eps of the residual blocks' norms; the reference has the larger one in downward levels without attention (and in the middle).
    private const double ResnetEps = 1e-6, PlainDownEps = 1e-5;

    private const double LastNormEps = 1e-5;

    [ComponentName(Name = "conv_in")]
    private readonly Conv2d _convIn;

    [ComponentName(Name = "time_embedding")]
    private readonly TimestepEmbedding _timeEmbedding;

    [ComponentName(Name = "add_embedding")]
    private readonly TimestepEmbedding _addEmbedding;

    [ComponentName(Name = "down_blocks")]
    private readonly TorchSharp.Modules.ModuleList<StableVideoDiffusionBlock> _downBlocks;

    [ComponentName(Name = "mid_block")]
    private readonly StableVideoDiffusionMidBlock _midBlock;

    [ComponentName(Name = "up_blocks")]
    private readonly TorchSharp.Modules.ModuleList<StableVideoDiffusionBlock> _upBlocks;

    [ComponentName(Name = "conv_norm_out")]
    private readonly GroupNorm _convNormOut;

    [ComponentName(Name = "conv_out")]
    private readonly Conv2d _convOut;

    public StableVideoDiffusionUNet(StableVideoDiffusionUNetConfig config, Placement placement)
        : base(nameof(StableVideoDiffusionUNet))
    {
        config.Validate();
        Config = config;
        IReadOnlyList<long> widths = config.BlockOutChannels;
        int levels = widths.Count;
        _convIn = new Conv2d(config.InChannels, widths[0], 3, placement, padding: 1);
        _timeEmbedding = new TimestepEmbedding(widths[0], 4 * widths[0], "silu", placement);
        _addEmbedding = new TimestepEmbedding(config.AdditionWidth, 4 * widths[0], "silu", placement);

        (IReadOnlyList<IReadOnlyList<long>> down, IReadOnlyList<IReadOnlyList<long>> up) =
            UNetSkeleton.ComputeWidths(widths[0], widths, config.LayersPerBlock);
        _downBlocks = nn.ModuleList([.. down.Select((inChannels, level) => new StableVideoDiffusionBlock(
            config, level, inChannels, config.DownAttention[level] ? ResnetEps : PlainDownEps, config.DownAttention[level],
            downsample: level < levels - 1, upsample: false, placement))]);
        _midBlock = new StableVideoDiffusionMidBlock(config, placement);
        _upBlocks = nn.ModuleList([.. up.Select((inChannels, step) => new StableVideoDiffusionBlock(
            config, levels - 1 - step, inChannels, ResnetEps, config.UpAttention[step], downsample: false, upsample: step < levels - 1, placement))]);
        _convNormOut = new GroupNorm(SpatioTemporalResBlock.Groups, widths[0], LastNormEps, placement);
        _convOut = new Conv2d(widths[0], config.OutChannels, 3, placement, padding: 1);
        RegisterComponents();
        _timeEmbedding.DeclareReaders(this);
        _addEmbedding.DeclareReaders(this);
    }

    public StableVideoDiffusionUNetConfig Config { get; }

    /// <summary>Predicts with one timestep for the whole batch; see <see cref="Forward(Tensor, Tensor, Tensor, Tensor)"/>.</summary>
    /// <param name="sample">[B, in, T, H, W].</param>
    /// <param name="timestep">Continuous, ln(sigma) / 4.</param>
    /// <param name="context">[B, L, D].</param>
    /// <param name="addedNumbers">[B, n].</param>
    /// <returns>[B, out, T, H, W], contiguous.</returns>
    public Tensor Forward(Tensor sample, double timestep, Tensor context, Tensor addedNumbers)
    {
        using Tensor one = ScalarOps.Full([], timestep, dtype: ScalarType.Float64, device: sample.device);
        return Forward(sample, one, context, addedNumbers);
    }

    /// <summary>Predicts from noisy latents.</summary>
    /// <param name="sample">[B, in, T, H, W]: noisy latents scaled by the sampler, then the image's latents, repeated over time.</param>
    /// <param name="timestep">[B], [1] or [], continuous, ln(sigma) / 4.</param>
    /// <param name="context">The image's embedding [B, L, D].</param>
    /// <param name="addedNumbers">[B, n]: fps - 1, motion bucket, noise level.</param>
    /// <returns>[B, out, T, H, W], contiguous.</returns>
    public Tensor Forward(Tensor sample, Tensor timestep, Tensor context, Tensor addedNumbers)
    {
        Shapes.Require(sample, $"B, {Config.InChannels}, T, H, W");
        Shapes.Require(context, $"{sample.shape[0]}, L, D");
        Shapes.Require(addedNumbers, $"{sample.shape[0]}, {Config.AddedNumbers}");
        using DisposeScope scope = NewDisposeScope();
        long frames = sample.shape[2];
        Tensor temb = Embedding(sample, timestep, addedNumbers);
        Tensor images = sample.permute(0, 2, 1, 3, 4).flatten(0, 1); // [B, C, T, H, W] -> [B*T, C, H, W]
        Tensor x = UNetSkeleton.Run(_convIn.forward(images), temb, context, frames, _downBlocks, _midBlock.Forward, _upBlocks);
        Tensor y = _convOut.forward(_convNormOut.ForwardActivated(x, Activation.Silu)); // [B*T, out, H, W]
        return y.unflatten(0, [-1, frames]).permute(0, 2, 1, 3, 4).contiguous().MoveToOuterDisposeScope();
    }

    // time_embedding of the timestep + add_embedding of the numbers, each of which has its own sinusoid -> [B, E].
    private Tensor Embedding(Tensor sample, Tensor timestep, Tensor addedNumbers)
    {
        long batch = sample.shape[0];
        Tensor times = timestep.flatten();
        if (times.shape[0] != 1 && times.shape[0] != batch)
        {
            throw new ArgumentException($"timestep: expected one value, or one per sample ({batch}), got {times.shape[0]}.", nameof(timestep));
        }

        Tensor Sinusoid(Tensor numbers, long width) =>
            TimestepEmbedding.Sinusoid(numbers, width, cosinesFirst: true, frequencyShift: 0).to(sample.device).to_type(sample.dtype);
        Tensor added = Sinusoid(addedNumbers.flatten(), Config.AdditionTimeEmbedDim).view(batch, Config.AdditionWidth);
        return _timeEmbedding.forward(Sinusoid(times, Config.BlockOutChannels[0])).Add(_addEmbedding.forward(added));
    }
}
