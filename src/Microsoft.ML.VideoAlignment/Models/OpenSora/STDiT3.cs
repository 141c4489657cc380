using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Models.OpenSora;

/// <summary>
/// The denoiser of Open-Sora 1.2 (Zheng et al. 2024, arXiv 2412.20404): a diffusion transformer on patches of the latents whose blocks alternately attend
/// within a frame and over time. Reference: Open-Sora, <c>STDiT3</c>, whose keys it has.
/// </summary>
internal sealed class STDiT3 : nn.Module
{
    [ComponentName(Name = "rope")]
    private readonly RotaryEmbedding _rope;

    [ComponentName(Name = "x_embedder")]
    private readonly PatchEmbedder _patches;

    [ComponentName(Name = "t_embedder")]
    private readonly TimestepEmbedder _time;

    [ComponentName(Name = "fps_embedder")]
    private readonly TimestepEmbedder _fps;

    [ComponentName(Name = "t_block")]
    private readonly TimeBlock _timeBlock;

    [ComponentName(Name = "y_embedder")]
    private readonly CaptionEmbedder _caption;

    [ComponentName(Name = "spatial_blocks")]
    private readonly TorchSharp.Modules.ModuleList<STDiT3Block> _spatialBlocks;

    [ComponentName(Name = "temporal_blocks")]
    private readonly TorchSharp.Modules.ModuleList<STDiT3Block> _temporalBlocks;

    [ComponentName(Name = "final_layer")]
    private readonly FinalLayer _final;

    public STDiT3(STDiT3Config config, Placement placement)
        : base(nameof(STDiT3))
    {
        config.Validate();
        Config = config;
        long width = config.HiddenSize;
        (long frames, long rows, long columns) = config.PatchSize;
        _rope = new RotaryEmbedding(config.HeadSize, placement);
        _patches = new PatchEmbedder(config, placement);
        _time = new TimestepEmbedder(width, placement);
        _fps = new TimestepEmbedder(width, placement);
        _timeBlock = new TimeBlock(width, placement);
        _caption = new CaptionEmbedder(config.CaptionChannels, width, config.MaxTokens, placement);
        _spatialBlocks = nn.ModuleList([.. Enumerable.Range(0, (int)config.Depth).Select(_ => new STDiT3Block(config, placement))]);
        _temporalBlocks = nn.ModuleList([.. Enumerable.Range(0, (int)config.Depth).Select(_ => new STDiT3Block(config, placement))]);
        _final = new FinalLayer(width, frames * rows * columns * config.OutChannels, placement);
        RegisterComponents();
    }

    public STDiT3Config Config { get; }

    /// <summary>The learned text of no prompt, [L, E], for the unconditional half of guidance; owned by the module.</summary>
    public Tensor NullText => _caption.NullText;

    /// <summary>Predicts from noisy latents.</summary>
    /// <param name="x">[B, c, T, h, w].</param>
    /// <param name="timestep">[B] or [1], from 0 to 1000.</param>
    /// <param name="text">[B, L, E].</param>
    /// <param name="textMask">[B or a divisor of it, L], 0 = padding; fewer rows are repeated as 0, 1, .., 0, 1, ..; null: every token counts.</param>
    /// <param name="frameMask">[B, T], 0 = a given frame, modulated as at time 0; null: all frames are generated.</param>
    /// <param name="fps">Frames per second, [B] or [1].</param>
    /// <param name="height">Height of the video in pixels; only the product with the width is used.</param>
    /// <param name="width">Width of the video in pixels.</param>
    /// <returns>[B, 2c, T, h, w] (c where the network predicts no sigma), at least float32.</returns>
    public Tensor Forward(Tensor x, Tensor timestep, Tensor text, Tensor? textMask, Tensor? frameMask, Tensor fps, double height, double width)
    {
        Shapes.Require(x, $"B, {Config.InChannels}, T, h, w");
        Shapes.Require(text, $"{x.shape[0]}, L, {Config.CaptionChannels}");
        using DisposeScope scope = NewDisposeScope();
        Tensor padded = Padded(x);
        (long frames, long rows, long columns) grid = _patches.Projection.Grid(padded);
        Tensor tokens = _patches.Projection.forward(padded);
        double scale = Math.Sqrt(height * width) / Config.InputSquareSize;
        double baseSize = Math.Round(Math.Sqrt(grid.rows * grid.columns), MidpointRounding.ToEven);
        Tensor places = PositionEmbedding2D.Create(grid.rows, grid.columns, Config.HiddenSize, scale, baseSize, x.device).to_type(tokens.dtype);
        Tensor y = tokens.unflatten(1, [grid.frames, grid.rows * grid.columns]).Add(places); // [B, T', S, C]

        Tensor rate = _fps.forward(fps);
        Tensor now = _time.forward(timestep).Add(rate);
        Tensor? clean = frameMask is null ? null : _time.forward(zeros_like(timestep)).Add(rate);
        Tensor time = Modulation.SelectPerFrame(_timeBlock.forward(now), clean is null ? null : _timeBlock.forward(clean), frameMask).to_type(tokens.dtype);
        Tensor projected = _caption.forward(text.to_type(tokens.dtype));
        Tensor? bias = textMask is null ? null : MultiHeadCrossAttention.CreateBias(textMask.repeat(x.shape[0] / textMask.shape[0], 1)).to_type(tokens.dtype);
        Tensor turns = _rope.CreateRotations(grid.frames);
        for (int i = 0; i < _spatialBlocks.Count; i++)
        {
            y = Block(_spatialBlocks[i], y, projected, time, bias, rotations: null);
            y = Block(_temporalBlocks[i], y, projected, time, bias, turns);
        }

        Tensor patches = _final.Forward(y, now.to_type(tokens.dtype), clean?.to_type(tokens.dtype), frameMask);
        return Unpatched(patches, grid, x.shape).to_type(Placement.ComputeDtype(x.dtype)).MoveToOuterDisposeScope();
    }

    private static Tensor Block(STDiT3Block block, Tensor x, Tensor text, Tensor time, Tensor? bias, Tensor? rotations)
    {
        // Every tensor must be among the inputs, or it is gone when the block runs again.
        Tensor[] inputs = [x, text, time, .. new[] { bias, rotations }.OfType<Tensor>()];
        return Recompute.Run(
            given => block.Forward(given[0], given[1], given[2], bias is null ? null : given[3], rotations is null ? null : given[^1]), inputs);
    }

    // Zeros at the end of each axis, up to whole patches.
    private Tensor Padded(Tensor x)
    {
        (long frames, long rows, long columns) = Config.PatchSize;
        long Lack(int axis, long patch) => (patch - (x.shape[axis] % patch)) % patch;
        long[] lacks = [0, Lack(4, columns), 0, Lack(3, rows), 0, Lack(2, frames)];
        return lacks.All(lack => lack == 0) ? x : nn.functional.pad(x, lacks);
    }

    // [B, T', S, pT*pH*pW*c] -> [B, c, T, h, w] of the given shape.
    private Tensor Unpatched(Tensor y, (long Frames, long Rows, long Columns) grid, long[] shape)
    {
        Tensor whole = PatchLayout.Join(y, grid, Config.PatchSize, Config.OutChannels);
        return whole.narrow(2, 0, shape[2]).narrow(3, 0, shape[3]).narrow(4, 0, shape[4]).contiguous();
    }

    // Holds the key proj. Reference: Open-Sora, PatchEmbed3D.
    private sealed class PatchEmbedder : nn.Module
    {
        [ComponentName(Name = "proj")]
        public readonly TubeletProjection Projection;

        public PatchEmbedder(STDiT3Config config, Placement placement)
            : base(nameof(PatchEmbedder))
        {
            (long frames, long rows, long columns) = config.PatchSize;
            Projection = new TubeletProjection(config.InChannels, config.HiddenSize, frames, rows, columns, placement);
            RegisterComponents();
        }
    }

    // SiLU and a Linear to the six modulations of a block; holds the key 1.
    private sealed class TimeBlock : nn.Module<Tensor, Tensor>
    {
        [ComponentName(Name = "1")]
        private readonly Linear _linear;

        public TimeBlock(long width, Placement placement)
            : base(nameof(TimeBlock))
        {
            _linear = new Linear(width, 6 * width, placement);
            RegisterComponents();
        }

        public override Tensor forward(Tensor time)
        {
            using Tensor active = nn.functional.silu(time);
            return _linear.forward(active);
        }
    }
}
