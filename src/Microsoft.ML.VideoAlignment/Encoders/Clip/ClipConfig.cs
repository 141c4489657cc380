using System.Text.Json;
using Microsoft.ML.VideoAlignment.Layers;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>
/// The text tower of CLIP (Radford et al. 2021, arXiv 2103.00020), with the names of the reference's config.json (transformers CLIPTextConfig).
/// </summary>
/// <remarks>An absent key has the reference's default, as below.</remarks>
internal sealed record ClipTextConfig
{
    public long VocabSize { get; init; } = 49408;

    public long HiddenSize { get; init; } = 512;

    public long IntermediateSize { get; init; } = 2048;

    public long NumHiddenLayers { get; init; } = 12;

    public long NumAttentionHeads { get; init; } = 8;

    public long MaxPositionEmbeddings { get; init; } = 77;

    /// <summary>"quick_gelu" (OpenAI's weights) or "gelu" (OpenCLIP's in this form).</summary>
    public string HiddenAct { get; init; } = "quick_gelu";

    public double LayerNormEps { get; init; } = 1e-5;

    /// <summary>The width of text_projection, where the file has one. Files without a projection contain it too, without meaning.</summary>
    public long ProjectionDim { get; init; } = 512;

    /// <summary>The token whose row is the pooled output. 2 is a stale value in old files and means "the highest id", which was the end token.</summary>
    public long EosTokenId { get; init; } = 49407;

    /// <summary>The shape of each layer of the tower.</summary>
    public EncoderShape Layer => new(HiddenSize, IntermediateSize, NumAttentionHeads, Activation.ByName(HiddenAct, "hidden_act"), LayerNormEps);

    /// <summary>Reads a CLIPTextModel's config.json, or the text half of a CLIPModel's.</summary>
    /// <param name="json">The file's object.</param>
    public static ClipTextConfig FromJson(JsonElement json)
    {
        JsonElement half = ClipHalf.Select(json, "text_config");
        var defaults = new ClipTextConfig();
        return new ClipTextConfig
        {
            VocabSize = ConfigJson.Integer(half, "vocab_size", defaults.VocabSize),
            HiddenSize = ConfigJson.Integer(half, "hidden_size", defaults.HiddenSize),
            IntermediateSize = ConfigJson.Integer(half, "intermediate_size", defaults.IntermediateSize),
            NumHiddenLayers = ConfigJson.Integer(half, "num_hidden_layers", defaults.NumHiddenLayers, maximum: ConfigJson.MaxLayers),
            NumAttentionHeads = ConfigJson.Integer(half, "num_attention_heads", defaults.NumAttentionHeads),
            MaxPositionEmbeddings = ConfigJson.Integer(half, "max_position_embeddings", defaults.MaxPositionEmbeddings),
            HiddenAct = ConfigJson.Text(half, "hidden_act", defaults.HiddenAct),
            LayerNormEps = ConfigJson.Number(half, "layer_norm_eps", defaults.LayerNormEps, maximum: 1),
            ProjectionDim = ConfigJson.Integer(half, "projection_dim", defaults.ProjectionDim),
            EosTokenId = ConfigJson.Integer(half, "eos_token_id", defaults.EosTokenId, minimum: 0),
        };
    }
}

/// <summary>The vision tower of CLIP, with the names and defaults of the reference's config.json (transformers CLIPVisionConfig).</summary>
internal sealed record ClipVisionConfig
{
    /// <summary>openai/clip-vit-large-patch14, whose embeddings the aesthetic head reads.</summary>
    public static ClipVisionConfig VitL14 { get; } = new()
    {
        HiddenSize = 1024,
        IntermediateSize = 4096,
        NumHiddenLayers = 24,
        NumAttentionHeads = 16,
        PatchSize = 14,
        ImageSize = 224,
        ProjectionDim = 768,
    };

    /// <summary>OpenCLIP ViT-H-14: the image encoder of Stable Video Diffusion, and in another form the image tower of HPS v2 and PickScore.</summary>
    public static ClipVisionConfig VitH14 { get; } = new()
    {
        HiddenSize = 1280,
        IntermediateSize = 5120,
        NumHiddenLayers = 32,
        NumAttentionHeads = 16,
        PatchSize = 14,
        ImageSize = 224,
        ProjectionDim = 1024,
        HiddenAct = "gelu",
    };

    public long HiddenSize { get; init; } = 768;

    public long IntermediateSize { get; init; } = 3072;

    public long NumHiddenLayers { get; init; } = 12;

    public long NumAttentionHeads { get; init; } = 12;

    public long NumChannels { get; init; } = 3;

    /// <summary>The side of the square input, in pixels.</summary>
    public long ImageSize { get; init; } = 224;

    /// <summary>The side of a patch, in pixels. Pixels at the right and bottom that fill no patch are ignored.</summary>
    public long PatchSize { get; init; } = 32;

    /// <inheritdoc cref="ClipTextConfig.HiddenAct"/>
    public string HiddenAct { get; init; } = "quick_gelu";

    public double LayerNormEps { get; init; } = 1e-5;

    /// <summary>The width of visual_projection, where the file has one.</summary>
    public long ProjectionDim { get; init; } = 512;

    /// <summary>The shape of each layer of the tower.</summary>
    public EncoderShape Layer => new(HiddenSize, IntermediateSize, NumAttentionHeads, Activation.ByName(HiddenAct, "hidden_act"), LayerNormEps);

    /// <summary>Reads a CLIPVisionModel's config.json, or the vision half of a CLIPModel's.</summary>
    /// <param name="json">The file's object.</param>
    public static ClipVisionConfig FromJson(JsonElement json)
    {
        JsonElement half = ClipHalf.Select(json, "vision_config");
        var defaults = new ClipVisionConfig();
        return new ClipVisionConfig
        {
            HiddenSize = ConfigJson.Integer(half, "hidden_size", defaults.HiddenSize),
            IntermediateSize = ConfigJson.Integer(half, "intermediate_size", defaults.IntermediateSize),
            NumHiddenLayers = ConfigJson.Integer(half, "num_hidden_layers", defaults.NumHiddenLayers, maximum: ConfigJson.MaxLayers),
            NumAttentionHeads = ConfigJson.Integer(half, "num_attention_heads", defaults.NumAttentionHeads),
            NumChannels = ConfigJson.Integer(half, "num_channels", defaults.NumChannels),
            ImageSize = ConfigJson.Integer(half, "image_size", defaults.ImageSize),
            PatchSize = ConfigJson.Integer(half, "patch_size", defaults.PatchSize),
            HiddenAct = ConfigJson.Text(half, "hidden_act", defaults.HiddenAct),
            LayerNormEps = ConfigJson.Number(half, "layer_norm_eps", defaults.LayerNormEps, maximum: 1),
            ProjectionDim = ConfigJson.Integer(half, "projection_dim", defaults.ProjectionDim),
        };
    }
}

/// <summary>Both towers of a CLIPModel. The top-level projection_dim (default 512) is the width of both projections, whatever the halves say.</summary>
/// <param name="Text">The text tower.</param>
/// <param name="Vision">The vision tower.</param>
internal sealed record ClipConfig(ClipTextConfig Text, ClipVisionConfig Vision)
{
    public static ClipConfig FromJson(JsonElement json)
    {
        if (!ClipHalf.IsWhole(json))
        {
            throw new InvalidDataException(
                "This config.json has neither text_config nor vision_config, so it is not a whole CLIP model's. " +
                "It may be that of a single tower; name the folder of a model with both.");
        }

        return new ClipConfig(ClipTextConfig.FromJson(json), ClipVisionConfig.FromJson(json));
    }
}
