using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Sampling;

namespace Microsoft.ML.VideoAlignment.Models.VideoCrafter;

/// <summary>VideoCrafter's blocks in small, without files but the tokenizer that comes with this library; it has a text tower.</summary>
internal static class VideoCrafterUntrained
{
    private const string TinyLvdm =
        """
        { "linear_start": 0.00085, "linear_end": 0.012, "timesteps": 1000, "use_scale": true, "scale_b": 0.7, "scale_factor": 0.5, "image_size": [4, 4],
          "unet_config": { "params": {
            "in_channels": 4, "out_channels": 4, "model_channels": 64, "attention_resolutions": [1], "num_res_blocks": 1, "channel_mult": [1, 1],
            "num_head_channels": 16, "transformer_depth": 1, "context_dim": 16, "use_linear": true, "temporal_conv": true, "temporal_attention": true,
            "use_relative_position": false, "temporal_length": 16, "addition_attention": true, "fps_cond": true } },
          "first_stage_config": { "params": { "embed_dim": 4, "ddconfig": {
            "z_channels": 4, "in_channels": 3, "out_ch": 3, "ch": 32, "ch_mult": [1, 1, 1], "num_res_blocks": 1, "attn_resolutions": [] } } },
          "cond_stage_config": { "params": { "layer": "penultimate" } } }
        """;

    private const string MiddleLvdm =
        """
        { "linear_start": 0.00085, "linear_end": 0.012, "timesteps": 1000, "use_scale": true, "scale_b": 0.7, "scale_factor": 0.18215, "image_size": [24, 24],
          "unet_config": { "params": {
            "in_channels": 4, "out_channels": 4, "model_channels": 96, "attention_resolutions": [4, 2, 1], "num_res_blocks": 2, "channel_mult": [1, 2, 4, 4],
            "num_head_channels": 32, "transformer_depth": 1, "context_dim": 256, "use_linear": true, "temporal_conv": true, "temporal_attention": true,
            "use_relative_position": false, "temporal_length": 16, "addition_attention": true, "fps_cond": true } },
          "first_stage_config": { "params": { "embed_dim": 4, "ddconfig": {
            "z_channels": 4, "in_channels": 3, "out_ch": 3, "ch": 64, "ch_mult": [1, 2, 4, 4], "num_res_blocks": 2, "attn_resolutions": [] } } },
          "cond_stage_config": { "params": { "layer": "penultimate" } } }
        """;

    /// <summary>Makes the parts.</summary>
    /// <param name="request">How large, and the weights.</param>
    public static ModelParts Make(UntrainedRequest request)
    {
        ClipTokenizer tokenizer = UntrainedTokenizer.Create();
        VideoCrafterConfig config = request.Size == UntrainedSize.Full ? VideoCrafterConfig.VideoCrafter2 : Small(request, words: tokenizer.HighestId + 1);
        VideoCrafterNetworks networks = request.Weights.Fill(new VideoCrafterNetworks(config, request.Placement));
        return VideoCrafterModel.FromNetworks(request.Source, config, networks, tokenizer, request.Placement);
    }

    private static VideoCrafterConfig Small(UntrainedRequest request, int words)
    {
        string text = request.Tiny
            ? $$"""{ "embed_dim": 16, "text_cfg": { "context_length": 8, "vocab_size": {{words}}, "width": 16, "heads": 2, "layers": 2 } }"""
            : $$"""{ "embed_dim": 256, "text_cfg": { "context_length": 20, "vocab_size": {{words}}, "width": 256, "heads": 4, "layers": 2 } }""";
        var config = VideoCrafterConfig.FromJson(UntrainedRequest.Parse(request.Tiny ? TinyLvdm : MiddleLvdm), _ => UntrainedRequest.Parse(text));
        return request.Tiny ? config with { Autoencoder = UntrainedVae.Config(request) } : config;
    }
}
