using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Models;
using Microsoft.ML.VideoAlignment.Models.StableVideoDiffusion;
using Microsoft.ML.VideoAlignment.MovingShapes.Training;
using Microsoft.ML.VideoAlignment.MovingShapes.World;

namespace Microsoft.ML.VideoAlignment.MovingShapes.Stages;

/// <summary>Writes the image-to-video model as a diffusers folder.</summary>
internal static class ImageToVideoFiles
{
    /// <summary>Of the folder among what ships.</summary>
    public const string Folder = "image-to-video";

    private const string DiffusersVersion = "0.35.0";

    public static void Write(Workshop shop)
    {
        if (!File.Exists(shop.StateFile(ImageToVideoStage.Name)))
        {
            return;
        }

        string model = Path.Combine(shop.Ship, Folder);
        double factor = shop.Figure("temporal scaling factor");
        using AutoencoderKLTemporalDecoder vae = TemporalVaeStage.Load(shop, factor);
        using StableVideoDiffusionUNet unet = ImageToVideoStage.Load(shop);
        using ClipVisionEncoder encoder = ImageEncoderStage.Load(shop);
        ShipStage.WriteWeights(StateRecord.Of(vae), Path.Combine(model, "vae", "diffusion_pytorch_model.safetensors"));
        ShipStage.WriteJson(Path.Combine(model, "vae", "config.json"), VaeConfig(factor));
        ShipStage.WriteWeights(StateRecord.Of(unet), Path.Combine(model, "unet", "diffusion_pytorch_model.safetensors"));
        ShipStage.WriteJson(Path.Combine(model, "unet", "config.json"), UNetConfig());
        ShipStage.WriteWeights(StateRecord.Of(encoder), Path.Combine(model, "image_encoder", "model.safetensors"));
        ShipStage.WriteJson(Path.Combine(model, "image_encoder", "config.json"), EncoderConfig());
        ShipStage.WriteJson(Path.Combine(model, "feature_extractor", "preprocessor_config.json"), ShipStage.Preprocessor(ImageEncoderStage.Side));
        ShipStage.WriteJson(Path.Combine(model, "scheduler", "scheduler_config.json"), ImageToVideoStage.SchedulerConfig());
        ShipStage.WriteJson(Path.Combine(model, "model_index.json"), Index());
    }

    private static Dictionary<string, object> Index() => new()
    {
        ["_class_name"] = "StableVideoDiffusionPipeline",
        ["_diffusers_version"] = DiffusersVersion,
        ["_height"] = ShapesVideo.Size,
        ["_width"] = ShapesVideo.Size,
        [Sampling.SamplingDefaults.StepsKey] = ReportStage.SamplerSteps,
        [Sampling.SamplingDefaults.GuidanceKey] = ReportStage.DefaultGuidance,
        ["feature_extractor"] = new[] { "transformers", "CLIPImageProcessor" },
        ["image_encoder"] = new[] { "transformers", "CLIPVisionModelWithProjection" },
        ["scheduler"] = new[] { "diffusers", "EulerDiscreteScheduler" },
        ["unet"] = new[] { "diffusers", "UNetSpatioTemporalConditionModel" },
        ["vae"] = new[] { "diffusers", "AutoencoderKLTemporalDecoder" },
    };

    private static Dictionary<string, object?> UNetConfig()
    {
        StableVideoDiffusionUNetConfig config = ImageToVideoStage.Config;
        return new()
        {
            ["_class_name"] = "UNetSpatioTemporalConditionModel",
            ["_diffusers_version"] = DiffusersVersion,
            ["addition_time_embed_dim"] = config.AdditionTimeEmbedDim,
            ["block_out_channels"] = config.BlockOutChannels,
            ["cross_attention_dim"] = config.CrossAttentionWidth[0],
            ["down_block_types"] = config.DownAttention.Select(attends => attends ? "CrossAttnDownBlockSpatioTemporal" : "DownBlockSpatioTemporal"),
            ["in_channels"] = config.InChannels,
            ["layers_per_block"] = config.LayersPerBlock[0],
            ["num_attention_heads"] = config.Heads,
            ["num_frames"] = config.Frames,
            ["out_channels"] = config.OutChannels,
            ["projection_class_embeddings_input_dim"] = config.AdditionWidth,
            ["sample_size"] = config.SampleSize,
            ["transformer_layers_per_block"] = config.TransformerLayers[0],
            ["up_block_types"] = config.UpAttention.Select(attends => attends ? "CrossAttnUpBlockSpatioTemporal" : "UpBlockSpatioTemporal"),
        };
    }

    private static Dictionary<string, object> VaeConfig(double scalingFactor)
    {
        AutoencoderKLConfig config = TemporalVaeStage.Config(scalingFactor);
        return new()
        {
            ["_class_name"] = "AutoencoderKLTemporalDecoder",
            ["_diffusers_version"] = DiffusersVersion,
            ["block_out_channels"] = config.BlockOutChannels,
            ["down_block_types"] = Enumerable.Repeat("DownEncoderBlock2D", config.BlockOutChannels.Count),
            ["force_upcast"] = true,
            ["in_channels"] = config.InChannels,
            ["latent_channels"] = config.LatentChannels,
            ["layers_per_block"] = config.LayersPerBlock,
            ["out_channels"] = config.OutChannels,
            ["sample_size"] = ShapesVideo.Size,
            ["scaling_factor"] = scalingFactor,
        };
    }

    private static Dictionary<string, object> EncoderConfig()
    {
        Dictionary<string, object> config = ShipStage.VisionConfig(ImageEncoderStage.Config);
        config["architectures"] = new[] { "CLIPVisionModelWithProjection" };
        config["torch_dtype"] = "float16";
        return config;
    }
}
