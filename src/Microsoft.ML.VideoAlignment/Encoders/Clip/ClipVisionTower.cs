using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;
using Conv2d = Microsoft.ML.VideoAlignment.Layers.Conv2d;
using Embedding = Microsoft.ML.VideoAlignment.Layers.Embedding;
using LayerNorm = Microsoft.ML.VideoAlignment.Layers.LayerNorm;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>transformers' CLIPVisionTransformer; its names in a file begin with <c>vision_model</c>.</summary>
internal sealed class ClipVisionTower : nn.Module
{
    [ComponentName(Name = "embeddings")]
    private readonly ClipVisionEmbeddings _embeddings;

    // Spelled like this in every file.
    [ComponentName(Name = "pre_layrnorm")]
    private readonly LayerNorm _preLayerNorm;

    [ComponentName(Name = "encoder")]
    private readonly ClipTransformer _encoder;

    [ComponentName(Name = "post_layernorm")]
    private readonly LayerNorm _postLayerNorm;

    public ClipVisionTower(ClipVisionConfig config, Placement placement)
        : base(nameof(ClipVisionTower))
    {
        _embeddings = new ClipVisionEmbeddings(config, placement);
        _preLayerNorm = new LayerNorm(config.HiddenSize, config.LayerNormEps, placement);
        _encoder = new ClipTransformer(config.Layer, config.NumHiddenLayers, placement);
        _postLayerNorm = new LayerNorm(config.HiddenSize, config.LayerNormEps, placement);
        RegisterComponents();
    }

    public (Tensor LastHiddenState, Tensor Pooled, IReadOnlyList<Tensor> HiddenStates) Run(Tensor pixels, bool interpolatePositions, bool keepHiddenStates)
    {
        using DisposeScope scope = NewDisposeScope();
        List<Tensor> states = [];
        Tensor embedded = _preLayerNorm.call(_embeddings.Forward(pixels, interpolatePositions));
        Tensor last = _encoder.Run(embedded, mask: null, causal: false, _encoder.Depth, keepHiddenStates ? states : null);
        Tensor pooled = _postLayerNorm.call(last.select(1, 0));
        IReadOnlyList<Tensor> kept = keepHiddenStates ? [embedded, .. states, last.alias()] : [];
        foreach (Tensor state in kept)
        {
            state.MoveToOuterDisposeScope();
        }

        return (last.MoveToOuterDisposeScope(), pooled.MoveToOuterDisposeScope(), kept);
    }
}

/// <summary>A class token and one token a patch, with learned positions.</summary>
/// <remarks>Keys class_embedding [D], patch_embedding.weight, position_embedding.weight [1 + N, D].</remarks>
internal sealed class ClipVisionEmbeddings : nn.Module
{
    [ComponentName(Name = "class_embedding")]
    private readonly Parameter _class;

    [ComponentName(Name = "patch_embedding")]
    private readonly Conv2d _patch;

    [ComponentName(Name = "position_embedding")]
    private readonly Embedding _position;

    private readonly long _channels;
    private readonly long _imageSize;
    private readonly long _grid;

    public ClipVisionEmbeddings(ClipVisionConfig config, Placement placement)
        : base(nameof(ClipVisionEmbeddings))
    {
        (_channels, _imageSize, _grid) = (config.NumChannels, config.ImageSize, config.ImageSize / config.PatchSize);
        _class = placement.Parameter(config.HiddenSize);
        _patch = new Conv2d(config.NumChannels, config.HiddenSize, config.PatchSize, placement, stride: config.PatchSize, bias: false);
        _position = new Embedding((_grid * _grid) + 1, config.HiddenSize, placement);
        RegisterComponents();
    }

    /// <summary>Embeds an image.</summary>
    /// <param name="pixels">[B, C, H, W], normalized.</param>
    /// <param name="interpolatePositions">Whether the position table is resized to the patch grid; else H and W must be the configured size.</param>
    /// <returns>[B, 1 + N, D].</returns>
    public Tensor Forward(Tensor pixels, bool interpolatePositions)
    {
        Shapes.Require(pixels, interpolatePositions ? $"B, {_channels}, H, W" : $"B, {_channels}, {_imageSize}, {_imageSize}");
        using DisposeScope scope = NewDisposeScope();
        Tensor patches = _patch.call(pixels); // [B, D, rows, columns]
        (long rows, long columns) = (patches.shape[2], patches.shape[3]);
        Tensor tokens = patches.flatten(2).transpose(1, 2);
        Tensor first = _class.to_type(tokens.dtype).expand(tokens.shape[0], 1, -1);
        return cat([first, tokens], 1).Add(Positions(rows, columns).to_type(tokens.dtype)).MoveToOuterDisposeScope();
    }

    // [1 + rows * columns, D]: the class token's row stays as it is, those of the patches follow the grid.
    private Tensor Positions(long rows, long columns)
    {
        Tensor patches = _position.Weight.narrow(0, 1, _grid * _grid).unsqueeze(0);
        return cat([_position.Weight.narrow(0, 0, 1), PositionTable.Resize(patches, (_grid, _grid), (rows, columns)).squeeze(0)], 0);
    }
}
