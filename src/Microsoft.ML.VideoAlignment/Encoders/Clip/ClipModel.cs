using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;
using TorchSharp.Utils;
using Linear = Microsoft.ML.VideoAlignment.Layers.Linear;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>
/// Both towers of CLIP, their projections and the temperature: transformers' CLIPModel. Keys <c>text_model.*</c>, <c>vision_model.*</c>,
/// <c>text_projection.weight</c>, <c>visual_projection.weight</c>, <c>logit_scale</c> [].
/// </summary>
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

    /// <summary>The logarithm of the temperature, a tensor without axes; owned by the model. exp of it multiplies cosines, and nothing clamps it.</summary>
    public Tensor LogitScale => _logitScale;

    /// <summary>Reads config.json and the weights of a transformers folder.</summary>
    /// <remarks>
    /// <paramref name="variant"/>: such as "fp16", where the file names carry one.
    /// </remarks>
    public static ClipModel FromFolder(string folder, Placement placement, string? variant = null)
    {
        using var files = new ClipFolder(folder, variant);
        return FromSource(files.Weights, files.Parse(ClipConfig.FromJson), placement);
    }

    /// <inheritdoc cref="ClipTextEncoder.FromSource"/>
    public static ClipModel FromSource(IWeightSource source, ClipConfig config, Placement placement, string prefix = "") =>
        WeightLoader.Fill(new ClipModel(config, placement), source, prefix, ClipKeys.Both);

    /// <summary>pixels: [B, C, S, S], normalized -> [B, P], not l2-normalized.</summary>
    public Tensor ImageFeatures(Tensor pixels, bool interpolatePositions = false)
    {
        using DisposeScope scope = NewDisposeScope();
        return _visualProjection.call(_vision.Run(pixels, interpolatePositions, keepHiddenStates: false).Pooled).MoveToOuterDisposeScope();
    }

    /// <summary>ids: int64 [B, L] -> [B, P], not l2-normalized.</summary>
    /// <remarks>
    /// <paramref name="attentionMask"/>: [B, L], 0 on padding; null: no padding is excluded.
    /// </remarks>
    public Tensor TextFeatures(Tensor ids, Tensor? attentionMask = null)
    {
        using DisposeScope scope = NewDisposeScope();
        return _textProjection.call(_text.Run(ids, attentionMask, keepHiddenStates: false).Pooled).MoveToOuterDisposeScope();
    }

    /// <summary>x / |x| over the last axis, without an epsilon, as CLIP has it. [..., P] -> the same shape.</summary>
    public static Tensor Normalize(Tensor features)
    {
        using Tensor squares = features.square();
        using Tensor sum = squares.sum(-1, keepdim: true);
        using Tensor norm = sum.sqrt();
        return features / norm;
    }
}
