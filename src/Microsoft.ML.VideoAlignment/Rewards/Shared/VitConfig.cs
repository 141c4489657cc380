using System.Text.Json;
using Microsoft.ML.VideoAlignment.Layers;

namespace Microsoft.ML.VideoAlignment.Rewards;

/// <summary>What the configurations of transformers' vision transformers have in common, under the names of their config.json, with their defaults.</summary>
internal abstract record VitConfig
{
    public long HiddenSize { get; init; } = 768;

    public long IntermediateSize { get; init; } = 3072;

    public long NumHiddenLayers { get; init; } = 12;

    public long NumAttentionHeads { get; init; } = 12;

    public long NumChannels { get; init; } = 3;

    /// <summary>Height and width of the input that the network was trained at, in pixels.</summary>
    public required (long Height, long Width) ImageSize { get; init; }

    /// <summary>Side of a patch, in pixels. A remainder of the image on the right and at the bottom is not seen.</summary>
    public long PatchSize { get; init; } = 16;

    /// <summary>Whether queries and values have a bias.</summary>
    public bool QkvBias { get; init; } = true;

    public string HiddenAct { get; init; } = "gelu";

    public double LayerNormEps { get; init; } = 1e-12;

    /// <summary>Classes by id.</summary>
    public required LabelTable Labels { get; init; }

    /// <summary>What each layer is.</summary>
    public virtual EncoderShape Layer =>
        new(HiddenSize, IntermediateSize, NumAttentionHeads, Activation.ByName(HiddenAct, "hidden_act"), LayerNormEps) { QkvBias = QkvBias };

    /// <summary>Reads the shared keys of a config.json.</summary>
    /// <typeparam name="T">The network's own configuration.</typeparam>
    /// <param name="json">The file.</param>
    /// <param name="defaults">What an absent key leaves.</param>
    /// <returns>A copy of the defaults with what the file says.</returns>
    protected static T Read<T>(JsonElement json, T defaults)
        where T : VitConfig
    {
        (long patchHeight, long patchWidth) = ConfigJson.Size(json, "patch_size", (defaults.PatchSize, defaults.PatchSize));
        VitConfig read = (VitConfig)defaults with
        {
            HiddenSize = ConfigJson.Integer(json, "hidden_size", defaults.HiddenSize),
            IntermediateSize = ConfigJson.Integer(json, "intermediate_size", defaults.IntermediateSize),
            NumHiddenLayers = ConfigJson.Integer(json, "num_hidden_layers", defaults.NumHiddenLayers, maximum: ConfigJson.MaxLayers),
            NumAttentionHeads = ConfigJson.Integer(json, "num_attention_heads", defaults.NumAttentionHeads),
            NumChannels = ConfigJson.Integer(json, "num_channels", defaults.NumChannels),
            ImageSize = ConfigJson.Size(json, "image_size", defaults.ImageSize),
            PatchSize = patchHeight == patchWidth
                ? patchHeight
                : throw new NotSupportedException($"config: patch_size {patchHeight} x {patchWidth}: only square patches are supported."),
            QkvBias = ConfigJson.Flag(json, "qkv_bias", defaults.QkvBias),
            HiddenAct = ConfigJson.Text(json, "hidden_act", defaults.HiddenAct),
            LayerNormEps = ConfigJson.Number(json, "layer_norm_eps", defaults.LayerNormEps, maximum: 1),
        };
        return (T)read; // a record's "with" keeps the type of what it copies
    }
}
