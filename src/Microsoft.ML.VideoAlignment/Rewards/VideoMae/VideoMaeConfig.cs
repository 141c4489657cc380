using System.Text.Json;
using Microsoft.ML.VideoAlignment.Layers;

namespace Microsoft.ML.VideoAlignment.Rewards;

/// <summary>
/// VideoMAE's classifier (Tong et al. 2022, arXiv 2203.12602) under the names of the reference's config.json (transformers VideoMAEConfig). A key that is
/// absent has the reference's default, as below. num_frames is not read: positions are computed for the frames at hand.
/// </summary>
internal sealed record VideoMaeConfig
{
    public long HiddenSize { get; init; } = 768;

    public long IntermediateSize { get; init; } = 3072;

    public long NumHiddenLayers { get; init; } = 12;

    public long NumAttentionHeads { get; init; } = 12;

    public long NumChannels { get; init; } = 3;

    /// <summary>Height and width of the input, in pixels.</summary>
    public (long Height, long Width) ImageSize { get; init; } = (224, 224);

    /// <summary>Side of a patch, in pixels.</summary>
    public long PatchSize { get; init; } = 16;

    /// <summary>Frames that one token spans.</summary>
    public long TubeletSize { get; init; } = 2;

    /// <summary>Whether queries and values have a bias; keys never have one.</summary>
    public bool QkvBias { get; init; } = true;

    /// <summary>Whether the classifier sees the mean of all tokens under a norm of its own, or the first token under the encoder's norm.</summary>
    public bool UseMeanPooling { get; init; } = true;

    public string HiddenAct { get; init; } = "gelu";

    public double LayerNormEps { get; init; } = 1e-12;

    public required LabelTable Labels { get; init; }

    public EncoderShape Layer => new(HiddenSize, IntermediateSize, NumAttentionHeads, Activation.ByName(HiddenAct, "hidden_act"), LayerNormEps)
    {
        QkvBias = QkvBias,
        KeyBias = false,
    };

    /// <summary>Tokens along time; frames of an unfinished last tubelet are not seen.</summary>
    public long Tubelets(long frames) => frames / TubeletSize;

    public static VideoMaeConfig FromJson(JsonElement json)
    {
        var defaults = new VideoMaeConfig { Labels = LabelTable.FromJson(json) };
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
            TubeletSize = ConfigJson.Integer(json, "tubelet_size", defaults.TubeletSize),
            QkvBias = ConfigJson.Flag(json, "qkv_bias", defaults.QkvBias),
            UseMeanPooling = ConfigJson.Flag(json, "use_mean_pooling", defaults.UseMeanPooling),
            HiddenAct = ConfigJson.Text(json, "hidden_act", defaults.HiddenAct),
            LayerNormEps = ConfigJson.Number(json, "layer_norm_eps", defaults.LayerNormEps),
        };
    }
}
