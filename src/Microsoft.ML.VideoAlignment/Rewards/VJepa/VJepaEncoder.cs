using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Modules;
using TorchSharp.Utils;
using LayerNorm = Microsoft.ML.VideoAlignment.Layers.LayerNorm;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Rewards.VJepa;

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

    /// <summary>Encodes videos; with a mask only its tokens are encoded, and only they see one another.</summary>
    /// <param name="pixels">[B, 3, T, H, W], normalized.</param>
    /// <param name="mask">int64 [B, K], tokens to encode; null: all.</param>
    /// <param name="memory">What the layers keep for the backward pass.</param>
    /// <returns>[B, N, D], tokens ordered time, row, column; with a mask [B, K, D].</returns>
    public Tensor Forward(Tensor pixels, Tensor? mask = null, ActivationMemory memory = ActivationMemory.Keep)
    {
        Shapes.Require(pixels, "B, 3, T, H, W");
        using DisposeScope scope = NewDisposeScope();
        Tensor tokens = _patches.call(pixels).Add(ResizePositions(_patches.Grid(pixels)).to_type(pixels.dtype));
        Tensor kept = mask is null ? tokens : Tokens.Gather(tokens, mask);
        return _norm.call(Tokens.Run(_blocks, kept, memory)).MoveToOuterDisposeScope();
    }

    /// <summary>Resizes the position table where the grid is not the trained one.</summary>
    /// <param name="grid">Tokens over time, rows and columns.</param>
    /// <returns>[1, t*h*w, D].</returns>
    public Tensor ResizePositions((long Frames, long Rows, long Columns) grid) => PositionTable.Resize(_positions, _config.Grid, grid);
}

/// <summary>One token for each t x p x p pixels: key <c>proj</c>.</summary>
internal sealed class VJepaPatches : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "proj")]
    private readonly TubeletProjection _projection;

    public VJepaPatches(VJepaConfig config, Placement placement)
        : base(nameof(VJepaPatches))
    {
        _projection = new TubeletProjection(channels: 3, config.Width, config.TubeletSize, config.PatchSize, placement);
        RegisterComponents();
    }

    /// <summary>Counts tokens over time, rows and columns; what does not fill a token is left out, as a convolution does.</summary>
    /// <param name="pixels">[B, 3, T, H, W].</param>
    public (long Frames, long Rows, long Columns) Grid(Tensor pixels) => _projection.Grid(pixels);

    /// <summary>Projects pixels to tokens.</summary>
    /// <param name="pixels">[B, 3, T, H, W].</param>
    /// <returns>[B, N, D].</returns>
    public override Tensor forward(Tensor pixels) => _projection.call(pixels);
}
