using System.Text.Json;
using Microsoft.ML.VideoAlignment.Autoencoders;
using Microsoft.ML.VideoAlignment.Autoencoders.OpenSora;
using Microsoft.ML.VideoAlignment.Denoisers.ModelScope;
using Microsoft.ML.VideoAlignment.Denoisers.OpenSora;
using Microsoft.ML.VideoAlignment.Denoisers.StableVideo;
using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Pipelines;

/// <summary>
/// Models of every family without files, with random weights. A prompt's text states are random numbers of its own (VideoCrafter has a text tower). No group
/// norm has as many groups as channels, which would take the time embedding away.
/// </summary>
internal static class UntrainedModel
{
    /// <summary>The fixed number of groups in the blocks over time.</summary>
    private const int FixedGroups = 32;

    /// <param name="family">Whose networks.</param>
    /// <param name="size">How large.</param>
    /// <param name="seed">Of the weights.</param>
    /// <param name="precision">How they are stored.</param>
    /// <param name="filled">False: they are whatever was in memory, for whoever fills them from a file.</param>
    public static VideoDiffusionModel Make(VideoModelFamily family, UntrainedSize size, int seed, WeightPrecision precision = WeightPrecision.Float32, bool filled = true)
    {
        bool tiny = size switch
        {
            UntrainedSize.Tiny => true,
            UntrainedSize.Middle => false,
            _ => throw new ArgumentOutOfRangeException(nameof(size), size, "Unknown size."),
        };
        string source = $"untrained {family}, {size}, seed {seed}";
        using var weights = new UntrainedWeights(seed, filled);
        var placement = Placement.OnCpu(precision);
        return family switch
        {
            VideoModelFamily.ModelScope => ModelScope(source, tiny, weights, placement, seed),
            VideoModelFamily.VideoCrafter => VideoCrafter(source, tiny, weights, placement),
            VideoModelFamily.OpenSora => OpenSora(source, tiny, weights, placement, seed),
            VideoModelFamily.StableVideoDiffusion => StableVideo(source, tiny, weights, placement),
            _ => throw new ArgumentOutOfRangeException(nameof(family), family, "Unknown family."),
        };
    }

    private static AutoencoderKLConfig Vae(bool tiny) => tiny
        ? new() { BlockOutChannels = [16, 16, 32], LayersPerBlock = 1, NormGroups = 4, ScalingFactor = 0.5 }
        : new() { BlockOutChannels = [64, 128, 256, 256], LayersPerBlock = 2 };

    private static ModelScopePipeline ModelScope(string source, bool tiny, UntrainedWeights weights, Placement placement, int seed)
    {
        ModelScopeUNetConfig config = tiny
            ? new()
            {
                BlockOutChannels = [64, 64],
                LayersPerBlock = 1,
                DownBlockTypes = ["CrossAttnDownBlock3D", "DownBlock3D"],
                UpBlockTypes = ["UpBlock3D", "CrossAttnUpBlock3D"],
                CrossAttentionWidth = 16,
                HeadSize = 16,
                SampleSize = (4, 4),
            }
            : new() { BlockOutChannels = [96, 192, 384, 384], CrossAttentionWidth = 384, HeadSize = 32 };
        ModelScopePipeline? model = null;
        var prompts = new UntrainedPrompts(tiny ? 6 : 77, config.CrossAttentionWidth, seed, () => model!.Device);
        model = ModelScopePipeline.FromNetworks(
            source, prompts, weights.Fill(new ModelScopeUNet(config, placement)), weights.Fill(new AutoencoderKL(Vae(tiny), placement)), Parse(Ddim), placement);
        return model;
    }

    private static VideoCrafterPipeline VideoCrafter(string source, bool tiny, UntrainedWeights weights, Placement placement)
    {
        ClipTokenizer tokenizer = UntrainedTokenizer.Create();
        int vocabulary = tokenizer.HighestId + 1;
        VideoCrafterConfig config = tiny
            ? VideoCrafterConfig.FromJson(Parse(TinyLvdm), _ => Parse($$"""{ "embed_dim": 16, "text_cfg": { "context_length": 8, "vocab_size": {{vocabulary}}, "width": 16, "heads": 2, "layers": 2 } }"""))
            : VideoCrafterConfig.FromJson(Parse(MiddleLvdm), _ => Parse($$"""{ "embed_dim": 256, "text_cfg": { "context_length": 20, "vocab_size": {{vocabulary}}, "width": 256, "heads": 4, "layers": 2 } }"""));
        config = tiny ? config with { Autoencoder = Vae(tiny) } : config;
        return VideoCrafterPipeline.FromNetworks(source, config, weights.Fill(new VideoCrafterNetworks(config, placement)), tokenizer, placement);
    }

    private static OpenSoraPipeline OpenSora(string source, bool tiny, UntrainedWeights weights, Placement placement, int seed)
    {
        STDiT3Config config = tiny
            ? new() { HiddenSize = 32, Depth = 1, Heads = 2, MlpRatio = 2, CaptionChannels = 16, MaxTokens = 6 }
            : new() { HiddenSize = 768, Depth = 7, Heads = 12, CaptionChannels = 1024, MaxTokens = 120 };
        TemporalVaeConfig temporal = tiny ? new() { Filters = 16, ResBlocks = 1, Multipliers = [1, 1, 2], NormGroups = 4, Halves = [true, true] } : new() { Filters = 64 };
        var vae = new VideoAutoencoder(
            new VideoAutoencoderConfig { Spatial = Vae(tiny) with { ScalingFactor = VideoAutoencoderConfig.ImageScale }, Temporal = temporal, ChunkFrames = 17 }, placement);
        return OpenSoraPipeline.FromNetworks(
            source, new UntrainedTexts((int)config.MaxTokens, config.CaptionChannels, seed), weights.Fill(new STDiT3(config, placement)), weights.Fill(vae), placement);
    }

    private static StableVideoDiffusionPipeline StableVideo(string source, bool tiny, UntrainedWeights weights, Placement placement)
    {
        StableVideoDiffusionUNetConfig config = tiny
            ? new()
            {
                BlockOutChannels = [2 * FixedGroups, 2 * FixedGroups],
                Heads = [4, 4],
                CrossAttentionWidth = [16, 16],
                TransformerLayers = [1, 1],
                LayersPerBlock = [1, 1],
                DownAttention = [true, false],
                UpAttention = [false, true],
                AdditionTimeEmbedDim = 16,
                AdditionWidth = 48,
                Frames = 8,
            }
            : new() { BlockOutChannels = [96, 192, 384, 384], Heads = [3, 6, 12, 12], CrossAttentionWidth = [256, 256, 256, 256], Frames = 8 };
        var encoder = new ClipVisionEncoder(
            tiny
                ? new ClipVisionConfig { HiddenSize = 32, IntermediateSize = 64, NumHiddenLayers = 1, NumAttentionHeads = 2, PatchSize = 56, ImageSize = 224, ProjectionDim = 16 }
                : new ClipVisionConfig { HiddenSize = 128, IntermediateSize = 512, NumHiddenLayers = 2, NumAttentionHeads = 4, PatchSize = 32, ImageSize = 224, ProjectionDim = 256 },
            withProjection: true, placement);
        AutoencoderKLConfig vae = tiny ? Vae(tiny) with { BlockOutChannels = [2 * FixedGroups, 2 * FixedGroups, 2 * FixedGroups] } : Vae(tiny);
        return StableVideoDiffusionPipeline.FromNetworks(
            source, weights.Fill(encoder), weights.Fill(new StableVideoDiffusionUNet(config, placement)), weights.Fill(new AutoencoderKLTemporalDecoder(vae, placement)), Parse(Euler),
            tiny ? (16, 16) : (128, 128), placement);
    }

    private static JsonElement Parse(string json)
    {
        using var document = JsonDocument.Parse(json);
        return document.RootElement.Clone();
    }

    private const string Ddim =
        """
        { "_class_name": "DDIMScheduler", "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000, "clip_sample": false,
          "set_alpha_to_one": true, "timestep_spacing": "trailing" }
        """;

    /// <summary>As published.</summary>
    internal const string Euler =
        """
        { "_class_name": "EulerDiscreteScheduler", "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000,
          "prediction_type": "v_prediction", "use_karras_sigmas": true, "sigma_min": 0.002, "sigma_max": 700.0, "timestep_type": "continuous", "timestep_spacing": "leading",
          "interpolation_type": "linear", "steps_offset": 1 }
        """;

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
}
