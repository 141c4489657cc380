using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;
using TorchSharp.Utils;
using Linear = Microsoft.ML.VideoAlignment.Layers.Linear;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>
/// CLIP's text encoder with or without a projection: transformers' CLIPTextModel and CLIPTextModelWithProjection. Keys <c>text_model.*</c> and
/// <c>text_projection.weight</c> [P, D].
/// </summary>
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
    /// <remarks>
    /// <paramref name="variant"/>: such as "fp16", where the file names carry one.
    /// </remarks>
    public static ClipTextEncoder FromFolder(string folder, Placement placement, string? variant = null) => FromFolder(new DiffusersFolder(folder), placement, variant);

    /// <inheritdoc cref="FromFolder(string, Placement, string?)"/>
    public static ClipTextEncoder FromFolder(DiffusersFolder folder, Placement placement, string? variant)
    {
        using var files = new ClipFolder(folder, variant);
        return FromSource(files.Weights, files.Parse(ClipTextConfig.FromJson), placement);
    }

    /// <summary>Fills an encoder from named tensors; it has a projection where they have one.</summary>
    /// <remarks>
    /// <paramref name="prefix"/>: what stands before each key of the module in the file.
    /// </remarks>
    public static ClipTextEncoder FromSource(IWeightSource source, ClipTextConfig config, Placement placement, string prefix = "") => WeightLoader.Fill(
        new ClipTextEncoder(config, source.Entries.ContainsKey($"{prefix}text_projection.weight"), placement), source, prefix, ClipKeys.Text(source, prefix));

    /// <summary>ids: int64 [B, L] -> [B, L, D], what diffusion models are conditioned on: the last hidden state after final_layer_norm.</summary>
    public override Tensor forward(Tensor ids) => Context(ids);

    /// <summary>
    /// The conditioning [B, L, D]: final_layer_norm of the output of the layer <paramref name="clipSkip"/> before the last, as diffusers' clip_skip.
    /// </summary>
    /// <remarks>
    /// <paramref name="attentionMask"/>: [B, L], 0 on padding; null (what diffusion models use): padding is attended to like any token.
    /// </remarks>
    public Tensor Context(Tensor ids, Tensor? attentionMask = null, int clipSkip = 0) => _tower.Context(ids, attentionMask, clipSkip);

    /// <summary>All outputs of the reference. L may be smaller than <see cref="ClipTextConfig.MaxPositionEmbeddings"/>.</summary>
    public ClipOutput Encode(Tensor ids, Tensor? attentionMask = null, bool keepHiddenStates = false)
    {
        (Tensor last, Tensor pooled, IReadOnlyList<Tensor> states) = _tower.Run(ids, attentionMask, keepHiddenStates);
        return new ClipOutput(last, pooled, _projection?.call(pooled), states);
    }
}
