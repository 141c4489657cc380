using System.Text.Json;
using Microsoft.ML.VideoAlignment.Autoencoders;
using Microsoft.ML.VideoAlignment.Autoencoders.OpenSora;
using Microsoft.ML.VideoAlignment.Denoisers.ModelScope;
using Microsoft.ML.VideoAlignment.Denoisers.OpenSora;
using Microsoft.ML.VideoAlignment.Denoisers.StableVideo;
using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Pipelines;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Benchmarks;

/// <summary>A model of each family without its files: of the published sizes as shapes alone, or of a middle size with random weights.</summary>
internal static class FamilyModels
{
    private const int CaptionWidth = 1024, CaptionTokens = 120;

    private static readonly AutoencoderKLConfig s_officialVae = new() { BlockOutChannels = [128, 256, 512, 512], LayersPerBlock = 2 };

    private static readonly AutoencoderKLConfig s_middleVae = new() { BlockOutChannels = [64, 128, 256, 256], LayersPerBlock = 2 };

    private static readonly JsonElement s_euler = JsonSerializer.SerializeToElement(new Dictionary<string, object>
    {
        ["_class_name"] = "EulerDiscreteScheduler",
        ["beta_start"] = 0.00085,
        ["beta_end"] = 0.012,
        ["beta_schedule"] = "scaled_linear",
        ["num_train_timesteps"] = 1000,
        ["prediction_type"] = "v_prediction",
        ["use_karras_sigmas"] = true,
        ["sigma_min"] = 0.002,
        ["sigma_max"] = 700.0,
        ["timestep_type"] = "continuous",
        ["timestep_spacing"] = "leading",
        ["interpolation_type"] = "linear",
        ["steps_offset"] = 1,
    });

    public static IReadOnlyList<string> Names { get; } = ["modelscope", "videocrafter", "opensora", "svd"];

    /// <summary>As published, weights stored so; shapes without memory.</summary>
    public static VideoDiffusionModel Official(string family, ScalarType dtype)
    {
        var placement = new Placement(META, dtype);
        return family switch
        {
            "modelscope" => ModelScopePipeline.FromNetworks(
                family, new RandomPrompts(new ClipTextEncoder(new ClipTextConfig
                {
                    HiddenSize = 1024,
                    IntermediateSize = 4096,
                    NumHiddenLayers = 23,
                    NumAttentionHeads = 16,
                    HiddenAct = "gelu",
                }, withProjection: false, placement), 77, 1024), new UNet3D(new UNet3DConfig(), placement), new AutoencoderKL(s_officialVae, placement), SizedModel.Scheduler, placement),
            "videocrafter" => VideoCrafterPipeline.FromNetworks(
                family, VideoCrafterConfig.VideoCrafter2, new VideoCrafterNetworks(VideoCrafterConfig.VideoCrafter2, placement), tokenizer: null, placement),
            "opensora" => OpenSoraPipeline.FromNetworks(
                family, new RandomTexts(300, 4096), new STDiT3(new STDiT3Config(), placement), new VideoAutoencoder(new VideoAutoencoderConfig { ChunkFrames = 17, ScaleChannels = 4 }, placement), placement),
            _ => StableVideoPipeline.FromNetworks(
                family, new ClipVisionEncoder(new ClipVisionConfig
                {
                    HiddenSize = 1280,
                    IntermediateSize = 5120,
                    NumHiddenLayers = 32,
                    NumAttentionHeads = 16,
                    ImageSize = 224,
                    PatchSize = 14,
                    ProjectionDim = 1024,
                    HiddenAct = "gelu",
                }, withProjection: true, placement), new SvdUNet(new SvdUNetConfig { Frames = 14 }, placement), new AutoencoderKLTemporalDecoder(s_officialVae, placement), s_euler, (576, 1024), placement),
        };
    }

    /// <summary>The same blocks in about a third of the widths: 0.3 to 0.8 GB of random weights.</summary>
    public static VideoDiffusionModel Middle(string family)
    {
        Placement placement = Placement.Cpu;
        switch (family)
        {
            case "modelscope":
                return ModelScopePipeline.FromNetworks(
                    family, new RandomPrompts(nn.Identity(), 77, 384),
                    Networks.Filled(new UNet3D(new UNet3DConfig { BlockOutChannels = [96, 192, 384, 384], CrossAttentionWidth = 384, HeadSize = 32 }, placement)),
                    Networks.Filled(new AutoencoderKL(s_middleVae, placement)), SizedModel.Scheduler, placement);
            case "videocrafter":
                VideoCrafterConfig config = VideoCrafterConfig.FromJson(Parse(
                    """
                    {
                      "linear_start": 0.00085, "linear_end": 0.012, "timesteps": 1000, "use_scale": true, "scale_b": 0.7, "scale_factor": 0.18215, "image_size": [24, 24],
                      "unet_config": { "params": {
                        "in_channels": 4, "out_channels": 4, "model_channels": 96, "attention_resolutions": [4, 2, 1], "num_res_blocks": 2, "channel_mult": [1, 2, 4, 4],
                        "num_head_channels": 32, "transformer_depth": 1, "context_dim": 256, "use_linear": true, "temporal_conv": true, "temporal_attention": true,
                        "use_relative_position": false, "temporal_length": 16, "addition_attention": true, "fps_cond": true } },
                      "first_stage_config": { "params": { "embed_dim": 4, "ddconfig": {
                        "z_channels": 4, "in_channels": 3, "out_ch": 3, "ch": 64, "ch_mult": [1, 2, 4, 4], "num_res_blocks": 2, "attn_resolutions": [] } } },
                      "cond_stage_config": { "params": { "layer": "penultimate" } }
                    }
                    """), _ => Parse("""{ "embed_dim": 256, "text_cfg": { "context_length": 20, "vocab_size": 49408, "width": 256, "heads": 4, "layers": 2 } }"""));
                ClipTokenizer tokenizer = ClipTokenizer.FromFolder(Path.Combine(EmbeddedModels.Find("text-to-video"), "tokenizer"));
                return VideoCrafterPipeline.FromNetworks(family, config, Networks.Filled(new VideoCrafterNetworks(config, placement)), tokenizer, placement);
            case "opensora":
                return OpenSoraPipeline.FromNetworks(
                    family, new RandomTexts(CaptionTokens, CaptionWidth),
                    Networks.Filled(new STDiT3(new STDiT3Config { HiddenSize = 768, Depth = 7, Heads = 12, CaptionChannels = CaptionWidth, MaxTokens = CaptionTokens }, placement)),
                    Networks.Filled(new VideoAutoencoder(
                        new VideoAutoencoderConfig { Spatial = s_middleVae with { ScalingFactor = VideoAutoencoderConfig.PictureScale }, Temporal = new() { Filters = 64 }, ChunkFrames = 17 }, placement)),
                    placement);
            default:
                return StableVideoPipeline.FromNetworks(
                    family,
                    Networks.Filled(new ClipVisionEncoder(
                        new ClipVisionConfig { HiddenSize = 128, IntermediateSize = 512, NumHiddenLayers = 2, NumAttentionHeads = 4, PatchSize = 32, ImageSize = 224, ProjectionDim = 256 },
                        withProjection: true, placement)),
                    Networks.Filled(new SvdUNet(new SvdUNetConfig { BlockOutChannels = [96, 192, 384, 384], Heads = [3, 6, 12, 12], CrossAttentionWidth = [256, 256, 256, 256], Frames = 8 }, placement)),
                    Networks.Filled(new AutoencoderKLTemporalDecoder(s_middleVae, placement)), s_euler, (128, 128), placement);
        }
    }

    private static JsonElement Parse(string json)
    {
        using var document = JsonDocument.Parse(json);
        return document.RootElement.Clone();
    }

    private static Tensor Random(params long[] shape)
    {
        using var generator = new Generator(5);
        return randn(shape, generator: generator);
    }

    private sealed class RandomPrompts(nn.Module network, long tokens, long width) : IPromptEncoder
    {
        public nn.Module Network => network;

        public Tensor Tokens(IReadOnlyList<string> prompts) => throw new NotSupportedException("random text states have no tokens");

        public Tensor Encode(IReadOnlyList<string> prompts) => Random(prompts.Count, tokens, width);

        public int CountTruncated(string prompt) => 0;

        public void Dispose() => network.Dispose();
    }

    private sealed class RandomTexts(int tokens, long width) : ITextStateEncoder
    {
        public Device Device => CPU;

        public int Length => tokens;

        public TextStates Encode(IReadOnlyList<string> prompts) =>
            new(Random(prompts.Count, tokens, width), ones([prompts.Count, tokens], dtype: ScalarType.Int64));

        public int CountTruncated(string prompt) => 0;

        public void MoveTo(Device device)
        {
        }

        public void Release()
        {
        }

        public void Dispose()
        {
        }
    }
}
