using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;
using Conv2d = Microsoft.ML.VideoAlignment.Layers.Conv2d;
using LayerNorm = Microsoft.ML.VideoAlignment.Layers.LayerNorm;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>open_clip's VisionTransformer; its names in a file begin with <c>visual</c>.</summary>
/// <remarks>Its blocks are <c>encoder.layers</c> here (<see cref="OpenClipModel.CreateKeyMap"/>).</remarks>
internal sealed class OpenClipVisionTower : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "class_embedding")]
    private readonly Parameter _class;

    [ComponentName(Name = "positional_embedding")]
    private readonly Parameter _position;

    [ComponentName(Name = "conv1")]
    private readonly Conv2d _patch;

    [ComponentName(Name = "ln_pre")]
    private readonly LayerNorm _normBefore;

    [ComponentName(Name = "encoder")]
    private readonly ClipTransformer _encoder;

    [ComponentName(Name = "ln_post")]
    private readonly LayerNorm _normAfter;

    // [D, E], multiplied from the right, as the file has it.
    [ComponentName(Name = "proj")]
    private readonly Parameter _projection;

    private readonly OpenClipVisionConfig _config;

    public OpenClipVisionTower(OpenClipVisionConfig config, long embedDim, Placement placement)
        : base(nameof(OpenClipVisionTower))
    {
        _config = config;
        long width = config.Layer.Width;
        _class = placement.Parameter(width);
        _position = placement.Parameter((config.Grid.Rows * config.Grid.Columns) + 1, width);
        _patch = new Conv2d(3, width, config.PatchSize, placement, stride: config.PatchSize, bias: false);
        _normBefore = new LayerNorm(width, OpenClipLayer.NormEps, placement);
        _encoder = new ClipTransformer(config.Layer, config.Layers, placement);
        _normAfter = new LayerNorm(width, OpenClipLayer.NormEps, placement);
        _projection = placement.Parameter(width, embedDim);
        RegisterComponents();
    }

    /// <summary>Computes image features, in the pixels' dtype.</summary>
    /// <param name="pixels">[B, 3, H, W], normalized.</param>
    /// <returns>[B, E], not l2-normalized.</returns>
    public override Tensor forward(Tensor pixels)
    {
        Shapes.Require(pixels, $"B, 3, {_config.ImageHeight}, {_config.ImageWidth}");
        using DisposeScope scope = NewDisposeScope();
        Tensor patches = _patch.call(pixels).flatten(2).transpose(1, 2); // [B, D, rows, columns] -> [B, N, D]
        Tensor first = _class.to_type(patches.dtype).expand(patches.shape[0], 1, -1);
        Tensor tokens = cat([first, patches], 1).Add(_position.to_type(patches.dtype));
        Tensor seen = _encoder.Run(_normBefore.call(tokens), mask: null, causal: false, _encoder.Depth);
        Tensor pooled = _normAfter.call(seen.select(1, 0));
        return Ops.MatMul(pooled, _projection.to_type(pooled.dtype)).MoveToOuterDisposeScope();
    }
}
