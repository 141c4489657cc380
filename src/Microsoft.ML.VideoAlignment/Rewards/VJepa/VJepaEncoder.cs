using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Modules;
using TorchSharp.Utils;
using LayerNorm = Microsoft.ML.VideoAlignment.Layers.LayerNorm;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Rewards;

/// <summary>
/// V-JEPA's video transformer (facebookresearch/jepa, src/models/vision_transformer.py). Keys <c>patch_embed.proj</c>, <c>pos_embed</c> [1, N, D],
/// <c>blocks.N</c>, <c>norm</c>.
/// </summary>
internal sealed class VJepaEncoder : nn.Module
{
    [ComponentName(Name = "patch_embed")]
    private readonly VJepaPatches _patches;

    [ComponentName(Name = "pos_embed")]
    private readonly Parameter _positions;

    [ComponentName(Name = "blocks")]
    private readonly ModuleList<EncoderLayer> _blocks;

    [ComponentName(Name = "norm")]
    private readonly LayerNorm _norm;

    private readonly VJepaConfig _config;

    public VJepaEncoder(VJepaConfig config, Placement placement)
        : base(nameof(VJepaEncoder))
    {
        _config = config;
        _patches = new VJepaPatches(config, placement);
        _positions = placement.Parameter(1, config.Tokens, config.Width);
        _blocks = nn.ModuleList([.. Enumerable.Range(0, checked((int)config.Depth)).Select(_ => new EncoderLayer(config.Layer, placement))]);
        _norm = new LayerNorm(config.Width, VJepaConfig.Eps, placement);
        RegisterComponents();
    }

    /// <summary>
    /// pixels: [B, 3, T, H, W], normalised -> [B, N, D], tokens ordered time, row, column; with <paramref name="mask"/> [B, K] only those, [B, K, D], and
    /// only they see one another.
    /// </summary>
    public Tensor Forward(Tensor pixels, Tensor? mask = null, ActivationMemory memory = ActivationMemory.Keep)
    {
        Shapes.Require(pixels, "B, 3, T, H, W");
        using DisposeScope scope = NewDisposeScope();
        Tensor tokens = _patches.call(pixels) + Positions(_patches.Grid(pixels)).to_type(pixels.dtype);
        Tensor kept = mask is null ? tokens : Tokens.Gather(tokens, mask);
        return _norm.call(Tokens.Run(_blocks, kept, memory)).MoveToOuterDisposeScope();
    }

    /// <summary>The position table for a grid of patches: [1, t*h*w, D], resized where the grid is not the trained one.</summary>
    public Tensor Positions((long Frames, long Rows, long Columns) grid) => PositionTable.Resize(_positions, _config.Grid, grid);
}

/// <summary>One token for each t x p x p pixels: a convolution whose stride is its kernel, key <c>proj</c> [D, 3, t, p, p], done as one product.</summary>
internal sealed class VJepaPatches : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "proj")]
    private readonly TubeletProjection _projection;

    public VJepaPatches(VJepaConfig config, Placement placement)
        : base(nameof(VJepaPatches))
    {
        _projection = new TubeletProjection(config.Width, config.TubeletSize, config.PatchSize, placement);
        RegisterComponents();
    }

    /// <summary>Tokens over time, rows and columns that pixels [B, 3, T, H, W] have; what does not fill a token is left out, as a convolution does.</summary>
    public (long Frames, long Rows, long Columns) Grid(Tensor pixels) => _projection.Grid(pixels);

    /// <summary>pixels: [B, 3, T, H, W] -> [B, N, D].</summary>
    public override Tensor forward(Tensor pixels) => _projection.call(pixels);

    private sealed class TubeletProjection : nn.Module<Tensor, Tensor>
    {
        private const long Channels = 3;

        [ComponentName(Name = "weight")]
        private readonly Parameter _weight;

        [ComponentName(Name = "bias")]
        private readonly Parameter _bias;

        private readonly long _frames;
        private readonly long _side;

        public TubeletProjection(long width, long frames, long side, Placement placement)
            : base(nameof(TubeletProjection))
        {
            _weight = placement.Parameter(width, Channels, frames, side, side);
            _bias = placement.Parameter(width);
            (_frames, _side) = (frames, side);
            RegisterComponents();
        }

        public (long Frames, long Rows, long Columns) Grid(Tensor pixels) => (pixels.shape[2] / _frames, pixels.shape[3] / _side, pixels.shape[4] / _side);

        public override Tensor forward(Tensor pixels)
        {
            using DisposeScope scope = NewDisposeScope();
            (long frames, long rows, long columns) = Grid(pixels);
            Tensor whole = pixels.narrow(2, 0, frames * _frames).narrow(3, 0, rows * _side).narrow(4, 0, columns * _side);
            Tensor cut = whole.reshape([pixels.shape[0], Channels, frames, _frames, rows, _side, columns, _side]).permute(0, 2, 4, 6, 1, 3, 5, 7);
            Tensor patches = cut.reshape(pixels.shape[0], frames * rows * columns, -1); // [B, N, 3*t*p*p]
            return nn.functional.linear(patches, _weight.flatten(1).to_type(pixels.dtype), _bias.to_type(pixels.dtype)).MoveToOuterDisposeScope();
        }
    }
}
