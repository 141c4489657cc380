using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;
using TorchSharp.Utils;
using Linear = Microsoft.ML.VideoAlignment.Layers.Linear;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>Both towers of CLIP, their projections and the temperature: transformers' CLIPModel.</summary>
/// <remarks>Keys <c>text_model.*</c>, <c>vision_model.*</c>, <c>text_projection.weight</c>, <c>visual_projection.weight</c>, <c>logit_scale</c> [].</remarks>
internal sealed class ClipModel : nn.Module
{
    [ComponentName(Name = "text_model")]
    private readonly ClipTextTower _text;

    [ComponentName(Name = "vision_model")]
    private readonly ClipVisionTower _vision;

    [ComponentName(Name = "text_projection")]
    private readonly Linear _textProjection;

    [ComponentName(Name = "visual_projection")]
    private readonly Linear _visualProjection;

    [ComponentName(Name = "logit_scale")]
    private readonly Parameter _logitScale;

    public ClipModel(ClipConfig config, Placement placement)
        : base(nameof(ClipModel))
    {
        Config = config;
        _text = new ClipTextTower(config.Text, placement);
        _vision = new ClipVisionTower(config.Vision, placement);
        _textProjection = new Linear(config.Text.HiddenSize, config.Text.ProjectionDim, placement, bias: false);
        _visualProjection = new Linear(config.Vision.HiddenSize, config.Vision.ProjectionDim, placement, bias: false);
        _logitScale = placement.Parameter();
        RegisterComponents();
    }

    public ClipConfig Config { get; }

    /// <summary>The logarithm of the temperature, a tensor without axes, owned by the model. Its exp multiplies cosines; nothing clamps it.</summary>
    public Tensor LogitScale => _logitScale;

    /// <summary>Reads config.json and the weights of a transformers folder.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="placement">The device, and how weights are stored.</param>
    /// <param name="variant">The variant in the file names, such as "fp16"; null: none.</param>
    public static ClipModel FromFolder(string folder, Placement placement, string? variant = null)
    {
        using var files = new ClipFolder(folder, variant);
        return FromSource(files.Weights, files.Parse(ClipConfig.FromJson), placement);
    }

    /// <summary>Makes a model from named tensors.</summary>
    /// <param name="source">The weights.</param>
    /// <param name="config">The configuration.</param>
    /// <param name="placement">The device, and how weights are stored.</param>
    /// <param name="prefix">The start of the names in the file, before each key of the module.</param>
    public static ClipModel FromSource(IWeightSource source, ClipConfig config, Placement placement, string prefix = "") =>
        WeightLoader.Fill(new ClipModel(config, placement), source, prefix, ClipKeys.Both);

    /// <summary>Computes image features.</summary>
    /// <param name="pixels">[B, C, S, S], normalized.</param>
    /// <param name="interpolatePositions">Whether any [B, C, H, W] is accepted; the position table is then resized to the patch grid.</param>
    /// <returns>[B, P], not l2-normalized.</returns>
    public Tensor GetImageFeatures(Tensor pixels, bool interpolatePositions = false)
    {
        using DisposeScope scope = NewDisposeScope();
        return _visualProjection.call(_vision.Run(pixels, interpolatePositions, keepHiddenStates: false).Pooled).MoveToOuterDisposeScope();
    }

    /// <summary>Computes text features.</summary>
    /// <param name="ids">int64 [B, L].</param>
    /// <param name="attentionMask">[B, L], 0 on padding; null: padding is attended to like any token.</param>
    /// <returns>[B, P], not l2-normalized.</returns>
    public Tensor GetTextFeatures(Tensor ids, Tensor? attentionMask = null)
    {
        using DisposeScope scope = NewDisposeScope();
        return _textProjection.call(_text.Run(ids, attentionMask, keepHiddenStates: false).Pooled).MoveToOuterDisposeScope();
    }

    /// <summary>Computes x / |x| over the last axis, without an epsilon, as CLIP does.</summary>
    /// <param name="features">[..., P].</param>
    /// <returns>The same shape.</returns>
    public static Tensor Normalize(Tensor features)
    {
        using Tensor squares = features.Pow(2);
        using Tensor sum = squares.sum(-1, keepdim: true);
        using Tensor norm = sum.sqrt();
        return features / norm;
    }
}
