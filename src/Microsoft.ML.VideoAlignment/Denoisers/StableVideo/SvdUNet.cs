using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Denoisers.StableVideo;

/// <summary>
/// The denoiser of Stable Video Diffusion (Blattmann et al. 2023, arXiv 2311.15127): a 2-D diffusion UNet whose every block is blended with a block
/// over time. Reference: diffusers, <c>UNetSpatioTemporalConditionModel</c>; keys are its.
/// </summary>
internal sealed class SvdUNet : nn.Module
{
    /// <summary>Of the residual blocks; the reference has the larger one in downward levels without attention (and in the middle).</summary>
    private const double ResnetEps = 1e-6, PlainDownEps = 1e-5;

    private const double LastNormEps = 1e-5;

    [ComponentName(Name = "conv_in")]
    private readonly Conv2d _convIn;

    [ComponentName(Name = "time_embedding")]
    private readonly TimestepEmbedding _timeEmbedding;

    [ComponentName(Name = "add_embedding")]
    private readonly TimestepEmbedding _addEmbedding;

    [ComponentName(Name = "down_blocks")]
    private readonly TorchSharp.Modules.ModuleList<SvdBlock> _downBlocks;

    [ComponentName(Name = "mid_block")]
    private readonly SvdMidBlock _midBlock;

    [ComponentName(Name = "up_blocks")]
    private readonly TorchSharp.Modules.ModuleList<SvdBlock> _upBlocks;

    [ComponentName(Name = "conv_norm_out")]
    private readonly GroupNorm _convNormOut;

    [ComponentName(Name = "conv_out")]
    private readonly Conv2d _convOut;

    public SvdUNet(SvdUNetConfig config, Placement placement)
        : base(nameof(SvdUNet))
    {
        config.Validate();
        Config = config;
        IReadOnlyList<long> widths = config.BlockOutChannels;
        int levels = widths.Count;
        _convIn = new Conv2d(config.InChannels, widths[0], 3, placement, padding: 1);
        _timeEmbedding = new TimestepEmbedding(widths[0], 4 * widths[0], "silu", placement);
        _addEmbedding = new TimestepEmbedding(config.AdditionWidth, 4 * widths[0], "silu", placement);

        // Widths of the skips, in the order they are made: the upward half takes them from the end.
        var skips = new Stack<long>([widths[0]]);
        var downBlocks = new List<SvdBlock>();
        long width = widths[0];
        for (int level = 0; level < levels; level++)
        {
            var inChannels = new List<long>();
            for (int layer = 0; layer < config.LayersPerBlock[level]; layer++)
            {
                inChannels.Add(width);
                width = widths[level];
                skips.Push(width);
            }

            bool last = level == levels - 1;
            if (!last)
            {
                skips.Push(width);
            }

            bool attends = config.DownAttention[level];
            downBlocks.Add(new SvdBlock(config, level, inChannels, attends ? ResnetEps : PlainDownEps, attends, downsample: !last, upsample: false, placement));
        }

        _downBlocks = nn.ModuleList([.. downBlocks]);
        _midBlock = new SvdMidBlock(config, placement);
        var upBlocks = new List<SvdBlock>();
        for (int level = levels - 1; level >= 0; level--)
        {
            var inChannels = new List<long>();
            for (int layer = 0; layer <= config.LayersPerBlock[level]; layer++)
            {
                inChannels.Add(width + skips.Pop());
                width = widths[level];
            }

            upBlocks.Add(new SvdBlock(config, level, inChannels, ResnetEps, config.UpAttention[levels - 1 - level], downsample: false, upsample: level > 0, placement));
        }

        _upBlocks = nn.ModuleList([.. upBlocks]);
        _convNormOut = new GroupNorm(SpatioTemporalResBlock.Groups, widths[0], LastNormEps, placement);
        _convOut = new Conv2d(widths[0], config.OutChannels, 3, placement, padding: 1);
        RegisterComponents();
    }

    public SvdUNetConfig Config { get; }

    /// <summary>
    /// Keep one tensor per layer instead of the whole graph, and run each layer again in the backward pass (see <see cref="Recompute"/>). No effect
    /// where gradients are off. Default: false.
    /// </summary>
    public bool RecomputeBlocks { get; set; }

    /// <summary>As <see cref="Forward(Tensor, Tensor, Tensor, Tensor)"/>, one time for all.</summary>
    public Tensor Forward(Tensor sample, double timestep, Tensor context, Tensor addedNumbers)
    {
        using Tensor one = tensor(timestep, dtype: ScalarType.Float64, device: sample.device);
        return Forward(sample, one, context, addedNumbers);
    }

    /// <summary>
    /// sample: [B, in, T, H, W], noisy latents scaled by the sampler, then the picture's latents, repeated over time; timestep: [B], [1] or [], continuous,
    /// ln(sigma) / 4; context: [B, L, D]; addedNumbers: [B, n], fps - 1, motion bucket, noise level -> [B, out, T, H, W], contiguous.
    /// </summary>
    public Tensor Forward(Tensor sample, Tensor timestep, Tensor context, Tensor addedNumbers)
    {
        Shapes.Require(sample, $"B, {Config.InChannels}, T, H, W");
        Shapes.Require(context, $"{sample.shape[0]}, L, D");
        Shapes.Require(addedNumbers, $"{sample.shape[0]}, {Config.AddedNumbers}");
        using DisposeScope scope = NewDisposeScope();
        long frames = sample.shape[2];
        Tensor temb = Embedding(sample, timestep, addedNumbers);
        Tensor pictures = sample.permute(0, 2, 1, 3, 4).flatten(0, 1); // [B, C, T, H, W] -> [B*T, C, H, W]
        Tensor x = _convIn.forward(pictures);
        var skips = new Stack<Tensor>([x]);
        foreach (SvdBlock block in _downBlocks)
        {
            for (int layer = 0; layer < block.Layers; layer++)
            {
                int index = layer;
                x = Block(inputs => block.Layer(index, inputs[0], inputs[1], inputs[2], frames), x, temb, context);
                skips.Push(x);
            }

            if (block.Downsampler is { } downsampler)
            {
                x = downsampler.forward(x);
                skips.Push(x);
            }
        }

        x = Block(inputs => _midBlock.Forward(inputs[0], inputs[1], inputs[2], frames), x, temb, context);
        foreach (SvdBlock block in _upBlocks)
        {
            for (int layer = 0; layer < block.Layers; layer++)
            {
                int index = layer;
                using Tensor hidden = x;
                using Tensor skip = skips.Pop();
                x = Block(inputs => UpLayer(block, index, inputs, frames), hidden, skip, temb, context);
            }

            if (block.Upsampler is { } upsampler)
            {
                // The size is that of the skip to come: twice this one's, except where halving had to round.
                using Tensor hidden = x;
                x = upsampler.Forward(hidden, skips.Peek().shape[2], skips.Peek().shape[3]);
            }
        }

        Tensor y = _convOut.forward(_convNormOut.Activated(x, Activation.Silu)); // [B*T, out, H, W]
        return y.unflatten(0, [-1, frames]).permute(0, 2, 1, 3, 4).contiguous().MoveToOuterDisposeScope();
    }

    private static Tensor UpLayer(SvdBlock block, int index, IReadOnlyList<Tensor> inputs, long frames)
    {
        using Tensor joined = cat([inputs[0], inputs[1]], dim: 1);
        return block.Layer(index, joined, inputs[2], inputs[3], frames);
    }

    /// <summary>time_embedding of the time + add_embedding of the numbers, each of which has a sinusoid of its own -> [B, E].</summary>
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
        return _timeEmbedding.forward(Sinusoid(times, Config.BlockOutChannels[0])) + _addEmbedding.forward(added);
    }

    private Tensor Block(Func<IReadOnlyList<Tensor>, Tensor> block, params Tensor[] inputs) =>
        RecomputeBlocks ? Recompute.Run(block, inputs) : block(inputs);
}
