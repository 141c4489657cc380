using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;
using TorchSharp.Utils;
using Linear = Microsoft.ML.VideoAlignment.Layers.Linear;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>CLIP's image encoder with or without a projection: transformers' CLIPVisionModel and CLIPVisionModelWithProjection.</summary>
/// <remarks>Keys <c>vision_model.*</c> and <c>visual_projection.weight</c> [P, D].</remarks>
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

    /// <summary>Makes the same encoder on the meta device, with shapes but no values.</summary>
    public ClipVisionEncoder ToMeta() => new(Config, _projection is not null, Placement.MetaLike(this));

    /// <summary>Reads config.json and the weights of a transformers folder. Of a whole CLIP model's folder only the vision half is read.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="placement">The device, and how weights are stored.</param>
    /// <param name="variant">The variant in the file names, such as "fp16"; null: none.</param>
    public static ClipVisionEncoder FromFolder(string folder, Placement placement, string? variant = null) =>
        FromFolder(new DiffusersFolder(folder), placement, variant);

    /// <inheritdoc cref="FromFolder(string, Placement, string?)"/>
    public static ClipVisionEncoder FromFolder(DiffusersFolder folder, Placement placement, string? variant)
    {
        using var files = new ClipFolder(folder, variant);
        return FromSource(files.Weights, files.Parse(ClipVisionConfig.FromJson), placement);
    }

    /// <summary>Makes an encoder from named tensors; it has a projection where they have one.</summary>
    /// <param name="source">The weights.</param>
    /// <param name="config">The configuration.</param>
    /// <param name="placement">The device, and how weights are stored.</param>
    /// <param name="prefix">The start of the names in the file, before each key of the module.</param>
    public static ClipVisionEncoder FromSource(IWeightSource source, ClipVisionConfig config, Placement placement, string prefix = "")
    {
        bool projects = source.Entries.ContainsKey($"{prefix}visual_projection.weight");
        return WeightLoader.Fill(new ClipVisionEncoder(config, projects, placement), source, prefix, ClipKeys.CreateVisionMap(source, prefix));
    }

    /// <summary>Computes the image embedding.</summary>
    /// <param name="pixels">[B, C, S, S], normalized.</param>
    /// <returns>[B, P], not l2-normalized; [B, D] pooled where there is no projection.</returns>
    public override Tensor forward(Tensor pixels)
    {
        using DisposeScope scope = NewDisposeScope();
        ClipOutput output = Encode(pixels);
        return (output.Embedding ?? output.Pooled).MoveToOuterDisposeScope();
    }

    /// <summary>Computes all outputs of the reference. Pixels carry gradient.</summary>
    /// <param name="pixels">[B, C, S, S], resized to <see cref="ClipVisionConfig.ImageSize"/> and normalized.</param>
    /// <param name="interpolatePositions">Whether any [B, C, H, W] is accepted; the position table is then resized to the patch grid.</param>
    /// <param name="keepHiddenStates">Whether <see cref="ClipOutput.HiddenStates"/> is filled.</param>
    public ClipOutput Encode(Tensor pixels, bool interpolatePositions = false, bool keepHiddenStates = false)
    {
        (Tensor last, Tensor pooled, IReadOnlyList<Tensor> states) = _tower.Run(pixels, interpolatePositions, keepHiddenStates);
        return new ClipOutput(last, pooled, _projection?.call(pooled), states);
    }
}
