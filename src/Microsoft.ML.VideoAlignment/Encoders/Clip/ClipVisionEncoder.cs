using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;
using TorchSharp.Utils;
using Linear = Microsoft.ML.VideoAlignment.Layers.Linear;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>
/// CLIP's image encoder with or without a projection: transformers' CLIPVisionModel and CLIPVisionModelWithProjection. Keys <c>vision_model.*</c> and
/// <c>visual_projection.weight</c> [P, D].
/// </summary>
internal sealed class ClipVisionEncoder : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "vision_model")]
    private readonly ClipVisionTower _tower;

    [ComponentName(Name = "visual_projection")]
    private readonly Linear? _projection;

    public ClipVisionEncoder(ClipVisionConfig config, bool withProjection, Placement placement)
        : base(nameof(ClipVisionEncoder))
    {
        Config = config;
        _tower = new ClipVisionTower(config, placement);
        _projection = withProjection ? new Linear(config.HiddenSize, config.ProjectionDim, placement, bias: false) : null;
        RegisterComponents();
    }

    public ClipVisionConfig Config { get; }

    /// <summary>The same encoder of shapes alone (<see cref="MetaOps"/>).</summary>
    public ClipVisionEncoder OnMeta() => new(Config, _projection is not null, Placement.ShapesOf(this));

    /// <summary>Reads config.json and the weights of a transformers folder. Of a whole CLIP model's folder only the vision half is read.</summary>
    /// <remarks>
    /// <paramref name="variant"/>: such as "fp16", where the file names carry one.
    /// </remarks>
    public static ClipVisionEncoder FromFolder(string folder, Placement placement, string? variant = null) => FromFolder(new DiffusersFolder(folder), placement, variant);

    /// <inheritdoc cref="FromFolder(string, Placement, string?)"/>
    public static ClipVisionEncoder FromFolder(DiffusersFolder folder, Placement placement, string? variant)
    {
        using var files = new ClipFolder(folder, variant);
        return FromSource(files.Weights, files.Parse(ClipVisionConfig.FromJson), placement);
    }

    /// <summary>Fills an encoder from named tensors; it has a projection where they have one.</summary>
    /// <remarks>
    /// <paramref name="prefix"/>: what stands before each key of the module in the file.
    /// </remarks>
    public static ClipVisionEncoder FromSource(IWeightSource source, ClipVisionConfig config, Placement placement, string prefix = "") => WeightLoader.Fill(
        new ClipVisionEncoder(config, source.Entries.ContainsKey($"{prefix}visual_projection.weight"), placement), source, prefix, ClipKeys.Vision(source, prefix));

    /// <summary>pixels: [B, C, S, S], normalized -> the image embedding [B, P], not l2-normalized; [B, D] pooled where there is no projection.</summary>
    public override Tensor forward(Tensor pixels)
    {
        using DisposeScope scope = NewDisposeScope();
        ClipOutput output = Encode(pixels);
        return (output.Embedding ?? output.Pooled).MoveToOuterDisposeScope();
    }

    /// <summary>All outputs of the reference. Pixels carry gradient.</summary>
    /// <remarks>
    /// <paramref name="pixels"/>: [B, C, S, S], resized to <see cref="ClipVisionConfig.ImageSize"/> and normalized.
    /// <paramref name="interpolatePositions"/>: true: any [B, C, H, W]; the position table is resized to the patch grid.
    /// </remarks>
    public ClipOutput Encode(Tensor pixels, bool interpolatePositions = false, bool keepHiddenStates = false)
    {
        (Tensor last, Tensor pooled, IReadOnlyList<Tensor> states) = _tower.Run(pixels, interpolatePositions, keepHiddenStates);
        return new ClipOutput(last, pooled, _projection?.call(pooled), states);
    }
}
