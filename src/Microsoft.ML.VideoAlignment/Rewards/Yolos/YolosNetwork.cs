using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;
using TorchSharp.Modules;
using TorchSharp.Utils;
using Conv2d = Microsoft.ML.VideoAlignment.Layers.Conv2d;
using LayerNorm = Microsoft.ML.VideoAlignment.Layers.LayerNorm;

namespace Microsoft.ML.VideoAlignment.Rewards.Yolos;

/// <summary>What YOLOS makes of images; fresh tensors.</summary>
/// <param name="LastHiddenState">[N, 1 + patches + queries, D], normalized.</param>
/// <param name="Logits">[N, queries, classes + 1]; the last class is "no object".</param>
/// <param name="Boxes">[N, queries, 4]: center x, center y, width, height, as parts of the image, 0 .. 1.</param>
internal sealed record YolosOutput(Tensor LastHiddenState, Tensor Logits, Tensor Boxes);

/// <summary>
/// transformers' YolosForObjectDetection: a ViT whose last tokens each stand for one object. Images of any size of at least one patch; the position
/// tables are resized to them.
/// </summary>
internal sealed class YolosNetwork : nn.Module
{
    [ComponentName(Name = "cls_token")]
    private readonly Parameter _class;

    [ComponentName(Name = "detection_tokens")]
    private readonly Parameter _queries;

    [ComponentName(Name = "position_embeddings")]
    private readonly Parameter _positions;

    [ComponentName(Name = "mid_position_embeddings")]
    private readonly Parameter? _midPositions;

    [ComponentName(Name = "patch_projection")]
    private readonly Conv2d _patch;

    [ComponentName(Name = "layers")]
    private readonly ModuleList<EncoderLayer> _layers;

    [ComponentName(Name = "layernorm")]
    private readonly LayerNorm _norm;

    [ComponentName(Name = "class_labels_classifier")]
    private readonly PredictionHead _classes;

    [ComponentName(Name = "bbox_predictor")]
    private readonly PredictionHead _boxes;

    public YolosNetwork(YolosConfig config, Placement placement)
        : base(nameof(YolosNetwork))
    {
        Config = config;
        long width = config.HiddenSize;
        long tokens = 1 + (config.Grid.Rows * config.Grid.Columns) + config.NumDetectionTokens;
        _class = placement.Parameter(1, 1, width);
        _queries = placement.Parameter(1, config.NumDetectionTokens, width);
        _positions = placement.Parameter(1, tokens, width);
        _midPositions = config.UseMidPositionEmbeddings ? placement.Parameter(config.NumHiddenLayers - 1, 1, tokens, width) : null;
        _patch = new Conv2d(config.NumChannels, width, config.PatchSize, placement, stride: config.PatchSize);
        _layers = nn.ModuleList([.. Enumerable.Range(0, checked((int)config.NumHiddenLayers)).Select(_ => new EncoderLayer(config.Layer, placement))]);
        _norm = new LayerNorm(width, config.LayerNormEps, placement);
        _classes = new PredictionHead(width, config.Labels.Count + 1, placement);
        _boxes = new PredictionHead(width, 4, placement);
        RegisterComponents();
    }

    /// <summary>From the names in the file to keys.</summary>
    public static KeyMap Keys { get; } = new()
    {
        Aliases =
        [
            ("vit.embeddings.patch_embeddings.projection.", "patch_projection."),
            ("vit.encoder.interpolation.mid_position_embeddings", "mid_position_embeddings"),
            ("vit.encoder.mid_position_embeddings", "mid_position_embeddings"),
            ("vit.embeddings.", ""),
            ("vit.", ""),
            .. VitKeys.Layer,
        ],
    };

    public YolosConfig Config { get; }

    /// <summary>Reads config.json and the weights of a transformers folder.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="placement">Where the weights go and how they are stored.</param>
    /// <exception cref="WeightFileException">It is not a folder of this network.</exception>
    public static YolosNetwork FromFolder(string folder, Placement placement) =>
        TransformersFolder.Open(folder, "yolos", "YolosForObjectDetection", "hustvl/yolos-base")
            .Load(config => new YolosNetwork(YolosConfig.FromJson(config), placement), map: Keys);

    /// <summary>Detects objects.</summary>
    /// <param name="pixels">[N, C, H, W], normalized.</param>
    public YolosOutput Run(Tensor pixels)
    {
        Shapes.Require(pixels, $"N, {Config.NumChannels}, H, W");
        using DisposeScope scope = NewDisposeScope();
        Tensor last = _norm.call(PrecisionPolicy.Run(NetworkRole.Reward, () => RunLayers(pixels)));
        Tensor objects = last.narrow(1, last.shape[1] - Config.NumDetectionTokens, Config.NumDetectionTokens);
        return new YolosOutput(
            last.MoveToOuterDisposeScope(), _classes.call(objects).MoveToOuterDisposeScope(), _boxes.call(objects).sigmoid().MoveToOuterDisposeScope());
    }

    private Tensor RunLayers(Tensor pixels)
    {
        Tensor patches = _patch.call(pixels); // [N, D, rows, columns]
        (long, long) grid = (patches.shape[2], patches.shape[3]);
        Tensor x = cat([Repeated(_class, patches), patches.flatten(2).transpose(1, 2), Repeated(_queries, patches)], 1);
        x = x.Add(Positions(_positions.to_type(x.dtype), grid));
        Tensor? mid = _midPositions is null || _layers.Count == 1 ? null : Positions(_midPositions.squeeze(1).to_type(x.dtype), grid);
        for (int layer = 0; layer < _layers.Count; layer++)
        {
            x = _layers[layer].Forward(x);
            if (mid is not null && layer + 1 < _layers.Count)
            {
                x = x.Add(mid[layer]);
            }
        }

        return x;
    }

    /// <summary>Makes the table that is added before the first layer, for an image of some size.</summary>
    /// <param name="height">Height, in pixels.</param>
    /// <param name="width">Width, in pixels.</param>
    /// <returns>[1, 1 + patches + queries, D].</returns>
    public Tensor ResizePositions(long height, long width) => Positions(_positions, (height / Config.PatchSize, width / Config.PatchSize));

    // [R, 1 + trained patches + queries, D] -> [R, 1 + patches + queries, D]; only the patches' rows follow the grid.
    private Tensor Positions(Tensor table, (long Rows, long Columns) grid)
    {
        using DisposeScope scope = NewDisposeScope();
        long patches = Config.Grid.Rows * Config.Grid.Columns;
        Tensor resized = PositionTable.Resize(table.narrow(1, 1, patches), Config.Grid, grid);
        return cat([table.narrow(1, 0, 1), resized, table.narrow(1, 1 + patches, Config.NumDetectionTokens)], 1).MoveToOuterDisposeScope();
    }

    private static Tensor Repeated(Tensor token, Tensor like) => token.to_type(like.dtype).expand(like.shape[0], -1, -1);
}
