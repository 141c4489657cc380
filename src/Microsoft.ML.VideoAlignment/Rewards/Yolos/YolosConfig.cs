using System.Text.Json;
using Microsoft.ML.VideoAlignment.Layers;

namespace Microsoft.ML.VideoAlignment.Rewards;

/// <summary>
/// YOLOS (Fang et al. 2021, arXiv 2106.00666) under the names of the reference's config.json (transformers YolosConfig). A key that is absent has the
/// reference's default, as below.
/// </summary>
internal sealed record YolosConfig
{
    public long HiddenSize { get; init; } = 768;

    public long IntermediateSize { get; init; } = 3072;

    public long NumHiddenLayers { get; init; } = 12;

    public long NumAttentionHeads { get; init; } = 12;

    public long NumChannels { get; init; } = 3;

    /// <summary>Height and width the position tables were trained at; other sizes resize the tables.</summary>
    public (long Height, long Width) ImageSize { get; init; } = (512, 864);

    /// <summary>Side of a patch, in pixels. A remainder of the picture on the right and at the bottom is not seen.</summary>
    public long PatchSize { get; init; } = 16;

    /// <summary>Most objects that one picture can show.</summary>
    public long NumDetectionTokens { get; init; } = 100;

    /// <summary>Whether positions are added again after every layer but the last.</summary>
    public bool UseMidPositionEmbeddings { get; init; } = true;

    public bool QkvBias { get; init; } = true;

    public string HiddenAct { get; init; } = "gelu";

    public double LayerNormEps { get; init; } = 1e-12;

    /// <summary>Classes, without "no object".</summary>
    public required LabelTable Labels { get; init; }

    public (long Rows, long Columns) Grid => (ImageSize.Height / PatchSize, ImageSize.Width / PatchSize);

    public EncoderShape Layer =>
        new(HiddenSize, IntermediateSize, NumAttentionHeads, Activation.ByName(HiddenAct, "hidden_act"), LayerNormEps) { QkvBias = QkvBias };

    public static YolosConfig FromJson(JsonElement json)
    {
        var defaults = new YolosConfig { Labels = LabelTable.FromJson(json) };
        (long patchHeight, long patchWidth) = ConfigJson.Size(json, "patch_size", (defaults.PatchSize, defaults.PatchSize));
        return defaults with
        {
            HiddenSize = ConfigJson.Integer(json, "hidden_size", defaults.HiddenSize),
            IntermediateSize = ConfigJson.Integer(json, "intermediate_size", defaults.IntermediateSize),
            NumHiddenLayers = ConfigJson.Integer(json, "num_hidden_layers", defaults.NumHiddenLayers),
            NumAttentionHeads = ConfigJson.Integer(json, "num_attention_heads", defaults.NumAttentionHeads),
            NumChannels = ConfigJson.Integer(json, "num_channels", defaults.NumChannels),
            ImageSize = ConfigJson.Size(json, "image_size", defaults.ImageSize),
            PatchSize = patchHeight == patchWidth ? patchHeight : throw new NotSupportedException($"config: patch_size {patchHeight} x {patchWidth}: only square patches are supported."),
            NumDetectionTokens = ConfigJson.Integer(json, "num_detection_tokens", defaults.NumDetectionTokens),
            UseMidPositionEmbeddings = ConfigJson.Flag(json, "use_mid_position_embeddings", defaults.UseMidPositionEmbeddings),
            QkvBias = ConfigJson.Flag(json, "qkv_bias", defaults.QkvBias),
            HiddenAct = ConfigJson.Text(json, "hidden_act", defaults.HiddenAct),
            LayerNormEps = ConfigJson.Number(json, "layer_norm_eps", defaults.LayerNormEps),
        };
    }
}
