using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;
using TorchSharp.Utils;
using Linear = Microsoft.ML.VideoAlignment.Layers.Linear;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>CLIP's text encoder with or without a projection: transformers' CLIPTextModel and CLIPTextModelWithProjection.</summary>
/// <remarks>Keys <c>text_model.*</c> and <c>text_projection.weight</c> [P, D].</remarks>
internal sealed class ClipTextEncoder : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "text_model")]
    private readonly ClipTextTower _tower;

    [ComponentName(Name = "text_projection")]
    private readonly Linear? _projection;

    public ClipTextEncoder(ClipTextConfig config, bool withProjection, Placement placement)
        : base(nameof(ClipTextEncoder))
    {
        Config = config;
        _tower = new ClipTextTower(config, placement);
        _projection = withProjection ? new Linear(config.HiddenSize, config.ProjectionDim, placement, bias: false) : null;
        RegisterComponents();
    }

    public ClipTextConfig Config { get; }

    /// <summary>Reads config.json and the weights of a transformers folder. Of a whole CLIP model's folder only the text half is read.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="placement">The device, and how weights are stored.</param>
    /// <param name="variant">The variant in the file names, such as "fp16"; null: none.</param>
    public static ClipTextEncoder FromFolder(string folder, Placement placement, string? variant = null) =>
        FromFolder(new DiffusersFolder(folder), placement, variant);

    /// <inheritdoc cref="FromFolder(string, Placement, string?)"/>
    public static ClipTextEncoder FromFolder(DiffusersFolder folder, Placement placement, string? variant)
    {
        using var files = new ClipFolder(folder, variant);
        return FromSource(files.Weights, files.Parse(ClipTextConfig.FromJson), placement);
    }

    /// <summary>Makes an encoder from named tensors; it has a projection where they have one.</summary>
    /// <param name="source">The weights.</param>
    /// <param name="config">The configuration.</param>
    /// <param name="placement">The device, and how weights are stored.</param>
    /// <param name="prefix">The start of the names in the file, before each key of the module.</param>
    public static ClipTextEncoder FromSource(IWeightSource source, ClipTextConfig config, Placement placement, string prefix = "") => WeightLoader.Fill(
        new ClipTextEncoder(config, source.Entries.ContainsKey($"{prefix}text_projection.weight"), placement), source, prefix,
            ClipKeys.CreateTextMap(source, prefix));

    /// <summary>Computes what diffusion models are conditioned on: the last hidden state after final_layer_norm.</summary>
    /// <param name="ids">int64 [B, L].</param>
    /// <returns>[B, L, D].</returns>
    public override Tensor forward(Tensor ids) => EncodeContext(ids);

    /// <summary>
    /// Computes the conditioning: final_layer_norm of the output of the layer <paramref name="clipSkip"/> before the last, as diffusers' clip_skip.
    /// </summary>
    /// <param name="ids">int64 [B, L].</param>
    /// <param name="attentionMask">[B, L], 0 on padding; null (as diffusion models do): padding is attended to like any token.</param>
    /// <param name="clipSkip">The number of last layers that do not run, 0 to all of them.</param>
    /// <returns>[B, L, D].</returns>
    public Tensor EncodeContext(Tensor ids, Tensor? attentionMask = null, int clipSkip = 0) => _tower.EncodeContext(ids, attentionMask, clipSkip);

    /// <summary>Computes all outputs of the reference.</summary>
    /// <param name="ids">int64 [B, L]; L may be smaller than <see cref="ClipTextConfig.MaxPositionEmbeddings"/>.</param>
    /// <param name="attentionMask">[B, L], 0 on padding; null: padding is attended to like any token.</param>
    /// <param name="keepHiddenStates">Whether <see cref="ClipOutput.HiddenStates"/> is filled.</param>
    public ClipOutput Encode(Tensor ids, Tensor? attentionMask = null, bool keepHiddenStates = false)
    {
        (Tensor last, Tensor pooled, IReadOnlyList<Tensor> states) = _tower.Run(ids, attentionMask, keepHiddenStates);
        return new ClipOutput(last, pooled, _projection?.call(pooled), states);
    }
}
