using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Models.VideoCrafter;

/// <summary>
/// The denoiser of VideoCrafter (Chen et al. 2024, arXiv 2401.09047): a 2-D diffusion UNet with temporal convolutions, attention over time and frames per
/// second beside the timestep. Reference: lvdm, <c>UNetModel</c>, whose keys it has through <see cref="Keys"/>.
/// </summary>
internal sealed class VideoCrafterUNet : nn.Module
{
    [ComponentName(Name = "time_embed")]
    private readonly TimestepEmbedding _timeEmbed;

    [ComponentName(Name = "fps_embedding")]
    private readonly TimestepEmbedding? _fpsEmbedding;

    [ComponentName(Name = "input_blocks")]
    private readonly TorchSharp.Modules.ModuleList<VideoCrafterBlock> _inputBlocks;

    [ComponentName(Name = "init_attn")]
    private readonly VideoCrafterBlock? _initAttention;

    [ComponentName(Name = "middle_block")]
    private readonly VideoCrafterBlock _middleBlock;

    [ComponentName(Name = "output_blocks")]
    private readonly TorchSharp.Modules.ModuleList<VideoCrafterBlock> _outputBlocks;

    [ComponentName(Name = "out")]
    private readonly Last _last;

    private readonly VideoCrafterLevel[] _down;
    private readonly VideoCrafterLevel[] _up;

    public VideoCrafterUNet(VideoCrafterUNetConfig config, Placement placement)
        : base(nameof(VideoCrafterUNet))
    {
        config.Validate();
        Config = config;
        _timeEmbed = new TimestepEmbedding(config.ModelChannels, 4 * config.ModelChannels, "silu", placement);
        _fpsEmbedding = config.FpsCondition ? new TimestepEmbedding(config.ModelChannels, 4 * config.ModelChannels, "silu", placement) : null;
        _initAttention = config.AdditionAttention
            ? new VideoCrafterBlock(new TemporalTransformer(
                config.ModelChannels, VideoCrafterUNetConfig.InitAttentionHeads, config.HeadSize!.Value, VideoCrafterResBlock.Groups, placement,
                config.TransformerDepth, relativePositions: config.RelativePositions))
            : null;

        (IReadOnlyList<IReadOnlyList<long>> down, IReadOnlyList<IReadOnlyList<long>> up) = UNetSkeleton.ComputeWidths(
            config.ModelChannels, [.. Enumerable.Range(0, config.Levels).Select(config.WidthAt)], [.. Enumerable.Repeat(config.ResBlocks, config.Levels)]);
        var first = new VideoCrafterBlock(new Conv2d(config.InChannels, config.ModelChannels, 3, placement, padding: 1));
        _down = [.. down.Select((inChannels, level) => VideoCrafterLevel.CreateDown(config, level, inChannels, placement))];
        _inputBlocks = nn.ModuleList([first, .. _down.SelectMany(level => level.Blocks)]);
        _middleBlock = VideoCrafterBlock.CreateMiddle(config, config.WidthAt(config.Levels - 1), placement);
        _up = [.. up.Select((inChannels, step) => VideoCrafterLevel.CreateUp(config, config.Levels - 1 - step, inChannels, placement))];
        _outputBlocks = nn.ModuleList([.. _up.SelectMany(level => level.Blocks)]);
        _last = new Last(config.WidthAt(0), config.OutChannels, placement);
        RegisterComponents();
        _timeEmbed.DeclareReaders(this);
        _fpsEmbedding?.DeclareReaders(this);
    }

    /// <summary>
    /// How lvdm's names become keys: its Sequentials have numbers where the shared blocks have names, and some matrices are convolutions of size 1 there.
    /// </summary>
    public static KeyMap Keys { get; } = new()
    {
        Aliases =
        [
            ("time_embed.0.", "time_embed.linear_1."), ("time_embed.2.", "time_embed.linear_2."),
            ("fps_embedding.0.", "fps_embedding.linear_1."), ("fps_embedding.2.", "fps_embedding.linear_2."),
            ("in_layers.0.", "block.norm1."), ("in_layers.2.", "block.conv1."), ("emb_layers.1.", "block.time_emb_proj."),
            ("out_layers.0.", "block.norm2."), ("out_layers.3.", "block.conv2."), ("skip_connection.", "block.conv_shortcut."), (".op.", ".conv."),
        ],
        Reshape = ["*proj_in.weight", "*proj_out.weight"],
    };

    public VideoCrafterUNetConfig Config { get; }

    /// <summary>Predicts from noisy latents.</summary>
    /// <param name="sample">[B, in, T, H, W].</param>
    /// <param name="timestep">[B], [1] or [], from 0 to 1000.</param>
    /// <param name="context">The text [B, L, D].</param>
    /// <param name="fps">Frames per second, [B], [1] or []; ignored by a network without fps condition.</param>
    /// <returns>[B, out, T, H, W], contiguous.</returns>
    public Tensor Forward(Tensor sample, Tensor timestep, Tensor context, Tensor fps)
    {
        Shapes.Require(sample, $"B, {Config.InChannels}, T, H, W");
        Shapes.Require(context, $"{sample.shape[0]}, L, {Config.ContextWidth}");
        RequireSize(sample);
        RequireCount(timestep, sample.shape[0], nameof(timestep));
        RequireCount(fps, sample.shape[0], nameof(fps));
        using DisposeScope scope = NewDisposeScope();
        long frames = sample.shape[2];
        Tensor emb = Embed(timestep.to(sample.device), fps.to(sample.device), sample.dtype);
        Tensor images = sample.permute(0, 2, 1, 3, 4).flatten(0, 1); // [B, C, T, H, W] -> [B*T, C, H, W]
        Tensor x = Recompute.Run(inputs => First(inputs, frames), images, emb, context);
        x = UNetSkeleton.Run(x, emb, context, frames, _down, _middleBlock.Forward, _up);
        Tensor y = _last.forward(x); // [B*T, out, H, W]
        return y.unflatten(0, [-1, frames]).permute(0, 2, 1, 3, 4).contiguous().MoveToOuterDisposeScope();
    }

    /// <summary>time_embed(sinusoid of the timestep) + fps_embedding(sinusoid of the frames per second).</summary>
    /// <param name="timestep">[N] or [1].</param>
    /// <param name="fps">[N] or [1].</param>
    /// <param name="dtype">The dtype of the network's activations.</param>
    /// <returns>[N, E].</returns>
    internal Tensor Embed(Tensor timestep, Tensor fps, ScalarType dtype)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor emb = _timeEmbed.forward(Sinusoid(timestep, Config.ModelChannels).to_type(dtype));
        if (_fpsEmbedding is not null)
        {
            emb = emb.Add(_fpsEmbedding.forward(Sinusoid(fps, Config.ModelChannels).to_type(dtype)));
        }

        return emb.MoveToOuterDisposeScope();
    }

    /// <summary>The sinusoid of numbers, cosines first.</summary>
    /// <param name="values">[N].</param>
    /// <param name="channels">Width of the sinusoid.</param>
    /// <returns>[N, channels].</returns>
    internal static Tensor Sinusoid(Tensor values, long channels) =>
        TimestepEmbedding.Sinusoid(values.flatten(), channels, cosinesFirst: true, frequencyShift: 0);

    private Tensor First(IReadOnlyList<Tensor> inputs, long frames)
    {
        Tensor x = _inputBlocks[0].Forward(inputs[0], inputs[1], inputs[2], frames);
        if (_initAttention is null)
        {
            return x;
        }

        using Tensor images = x;
        return _initAttention.Forward(images, inputs[1], inputs[2], frames);
    }

    private void RequireSize(Tensor sample)
    {
        if (sample.shape[3] % Config.SizeMultiple != 0 || sample.shape[4] % Config.SizeMultiple != 0)
        {
            throw new ArgumentException(
                $"sample: height and width must be multiples of {Config.SizeMultiple}, which {Config.Levels} levels halve to a whole number; "
                + $"got {sample.shape[3]} x {sample.shape[4]}.", nameof(sample));
        }
    }

    private static void RequireCount(Tensor values, long batch, string name)
    {
        if (values.numel() != 1 && values.numel() != batch)
        {
            throw new ArgumentException($"{name}: expected one value, or one per sample ({batch}), got {values.numel()}.", name);
        }
    }

    // Norm, SiLU, convolution: 1 is the SiLU, which has no weights.
    private sealed class Last : nn.Module<Tensor, Tensor>
    {
        [ComponentName(Name = "0")]
        private readonly GroupNorm _norm;

        [ComponentName(Name = "2")]
        private readonly Conv2d _conv;

        public Last(long channels, long outChannels, Placement placement)
            : base(nameof(Last))
        {
            _norm = new GroupNorm(VideoCrafterResBlock.Groups, channels, VideoCrafterResBlock.Eps, placement);
            _conv = new Conv2d(channels, outChannels, 3, placement, padding: 1);
            RegisterComponents();
        }

        public override Tensor forward(Tensor x)
        {
            using Tensor active = _norm.ForwardActivated(x, Activation.Silu);
            return _conv.forward(active);
        }
    }
}
