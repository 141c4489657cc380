using System.Text.Json;
using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Models;
using Microsoft.ML.VideoAlignment.MovingShapes.Training;
using Microsoft.ML.VideoAlignment.MovingShapes.World;
using Microsoft.ML.VideoAlignment.Rewards.ClipHeads;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.MovingShapes.Stages;

/// <summary>Writes what is trained so far as float16 safetensors in diffusers' and transformers' folders, with their configuration files.</summary>
internal static class ShipStage
{
    public const string Name = "ship";

    private const string DiffusersVersion = "0.35.0";

    /// <summary>How configuration files are written.</summary>
    public static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, Converters = { new FloatConverter() } };

    public static void Run(Workshop shop)
    {
        WordsStage.Run(shop);
        string model = Path.Combine(shop.Ship, "text-to-video");
        if (File.Exists(shop.StateFile(UNetStage.Name)))
        {
            double factor = shop.Figure("scaling factor");
            using AutoencoderKL vae = VaeStage.Load(shop, factor);
            using BaseModel average = UNetStage.Load(shop);
            WriteWeights(vae, Path.Combine(model, "vae", "diffusion_pytorch_model.safetensors"));
            WriteJson(Path.Combine(model, "vae", "config.json"), VaeConfig(factor));
            WriteWeights(average.UNet, Path.Combine(model, "unet", "diffusion_pytorch_model.safetensors"));
            WriteJson(Path.Combine(model, "unet", "config.json"), UNetConfig());
            WriteWeights(average.Text, Path.Combine(model, "text_encoder", "model.safetensors"));
            WriteJson(Path.Combine(model, "text_encoder", "config.json"), TextConfig("CLIPTextModel"));
            WriteJson(Path.Combine(model, "scheduler", "scheduler_config.json"), BaseModel.SchedulerConfig(velocity: true));
            WriteJson(Path.Combine(model, "model_index.json"), Index());
        }

        if (File.Exists(shop.StateFile(ClipStage.Name)))
        {
            using ClipModel clip = ClipStage.Load(shop);
            WriteWeights(clip, Path.Combine(shop.Ship, "clip", "model.safetensors"));
            WriteJson(Path.Combine(shop.Ship, "clip", "config.json"), ClipConfig());
            WriteJson(Path.Combine(shop.Ship, "clip", "preprocessor_config.json"), Preprocessor(ShapesVideo.Size));
        }

        foreach ((string state, string file) in HeadStage.Files.Where(head => File.Exists(shop.StateFile(head.State))))
        {
            using ScoreHead head = HeadStage.Load(shop, state);
            WriteWeights(head, Path.Combine(shop.Ship, file));
        }

        ImageToVideoFiles.Write(shop);
        RewardFiles.Write(shop);
    }

    private static void WriteWeights(nn.Module network, string path) => WriteWeights(StateRecord.Of(network), path);

    public static void WriteWeights(IEnumerable<(string Name, Tensor Tensor)> tensors, string path)
    {
        using DisposeScope scope = NewDisposeScope();
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        SafetensorsWriter.Write(
            path,
            tensors.ToDictionary(pair => pair.Name, pair => pair.Tensor.detach().to_type(ScalarType.Float16).contiguous(), StringComparer.Ordinal),
            new Dictionary<string, string> { ["format"] = "pt" });
    }

    public static void WriteJson(string path, object value)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path + ".tmp", JsonSerializer.Serialize(value, Indented) + "\n");
        File.Move(path + ".tmp", path, overwrite: true);
    }

    private static Dictionary<string, object> Index() => new()
    {
        ["_class_name"] = "TextToVideoSDPipeline",
        ["_diffusers_version"] = DiffusersVersion,
        [Models.ModelScope.ModelScopeModel.FramesKey] = ShapesVideo.Frames,
        [Sampling.SamplingDefaults.StepsKey] = ReportStage.SamplerSteps,
        [Sampling.SamplingDefaults.GuidanceKey] = ReportStage.DefaultGuidance,
        ["scheduler"] = new[] { "diffusers", "DDIMScheduler" },
        ["text_encoder"] = new[] { "transformers", "CLIPTextModel" },
        ["tokenizer"] = new[] { "transformers", "CLIPTokenizer" },
        ["unet"] = new[] { "diffusers", "UNet3DConditionModel" },
        ["vae"] = new[] { "diffusers", "AutoencoderKL" },
    };

    private static Dictionary<string, object?> UNetConfig() => new()
    {
        ["_class_name"] = "UNet3DConditionModel",
        ["_diffusers_version"] = DiffusersVersion,
        ["act_fn"] = BaseModel.UNetConfig.Activation,
        ["attention_head_dim"] = BaseModel.UNetConfig.HeadSize,
        ["block_out_channels"] = BaseModel.UNetConfig.BlockOutChannels,
        ["cross_attention_dim"] = BaseModel.UNetConfig.CrossAttentionWidth,
        ["down_block_types"] = BaseModel.UNetConfig.DownBlockTypes,
        ["downsample_padding"] = BaseModel.UNetConfig.DownsamplePadding,
        ["in_channels"] = BaseModel.UNetConfig.InChannels,
        ["layers_per_block"] = BaseModel.UNetConfig.LayersPerBlock,
        ["mid_block_scale_factor"] = BaseModel.UNetConfig.MidBlockScaleFactor,
        ["norm_eps"] = BaseModel.UNetConfig.NormEps,
        ["norm_num_groups"] = BaseModel.UNetConfig.NormGroups,
        ["num_attention_heads"] = null,
        ["out_channels"] = BaseModel.UNetConfig.OutChannels,
        ["sample_size"] = 8,
        ["time_cond_proj_dim"] = null,
        ["up_block_types"] = BaseModel.UNetConfig.UpBlockTypes,
    };

    private static Dictionary<string, object?> VaeConfig(double scalingFactor)
    {
        AutoencoderKLConfig config = VaeStage.Config(scalingFactor);
        int levels = config.BlockOutChannels.Count;
        return new()
        {
            ["_class_name"] = "AutoencoderKL",
            ["_diffusers_version"] = DiffusersVersion,
            ["act_fn"] = config.Activation,
            ["block_out_channels"] = config.BlockOutChannels,
            ["down_block_types"] = Enumerable.Repeat("DownEncoderBlock2D", levels),
            ["force_upcast"] = true,
            ["in_channels"] = config.InChannels,
            ["latent_channels"] = config.LatentChannels,
            ["latents_mean"] = null,
            ["latents_std"] = null,
            ["layers_per_block"] = config.LayersPerBlock,
            ["mid_block_add_attention"] = config.MidBlockAddAttention,
            ["norm_num_groups"] = config.NormGroups,
            ["out_channels"] = config.OutChannels,
            ["sample_size"] = ShapesVideo.Size,
            ["scaling_factor"] = scalingFactor,
            ["shift_factor"] = null,
            ["up_block_types"] = Enumerable.Repeat("UpDecoderBlock2D", levels),
            ["use_post_quant_conv"] = config.UsePostQuantConv,
            ["use_quant_conv"] = config.UseQuantConv,
        };
    }

    private static Dictionary<string, object> TextConfig(string? architecture)
    {
        ClipTextConfig config = BaseModel.TextConfig;
        var values = new Dictionary<string, object>
        {
            ["attention_dropout"] = 0.0,
            ["bos_token_id"] = WordsStage.Vocabulary.Ids[BytePairVocabulary.Start],
            ["eos_token_id"] = config.EosTokenId,
            ["hidden_act"] = config.HiddenAct,
            ["hidden_size"] = config.HiddenSize,
            ["initializer_factor"] = 1.0,
            ["initializer_range"] = 0.02,
            ["intermediate_size"] = config.IntermediateSize,
            ["layer_norm_eps"] = config.LayerNormEps,
            ["max_position_embeddings"] = config.MaxPositionEmbeddings,
            ["model_type"] = "clip_text_model",
            ["num_attention_heads"] = config.NumAttentionHeads,
            ["num_hidden_layers"] = config.NumHiddenLayers,
            ["pad_token_id"] = config.EosTokenId,
            ["projection_dim"] = config.ProjectionDim,
            ["torch_dtype"] = "float16",
            ["vocab_size"] = config.VocabSize,
        };
        if (architecture is not null)
        {
            values["architectures"] = new[] { architecture };
        }

        return values;
    }

    private static Dictionary<string, object> ClipConfig()
    {
        ClipVisionConfig vision = ClipStage.Config.Vision;
        return new()
        {
            ["architectures"] = new[] { "CLIPModel" },
            ["initializer_factor"] = 1.0,
            ["logit_scale_init_value"] = 2.6592,
            ["model_type"] = "clip",
            ["projection_dim"] = vision.ProjectionDim,
            ["text_config"] = TextConfig(null),
            ["torch_dtype"] = "float16",
            ["vision_config"] = VisionConfig(vision),
        };
    }

    /// <summary>A vision tower's configuration, as transformers has it.</summary>
    public static Dictionary<string, object> VisionConfig(ClipVisionConfig vision) => new()
    {
        ["attention_dropout"] = 0.0,
        ["hidden_act"] = vision.HiddenAct,
        ["hidden_size"] = vision.HiddenSize,
        ["image_size"] = vision.ImageSize,
        ["initializer_factor"] = 1.0,
        ["initializer_range"] = 0.02,
        ["intermediate_size"] = vision.IntermediateSize,
        ["layer_norm_eps"] = vision.LayerNormEps,
        ["model_type"] = "clip_vision_model",
        ["num_attention_heads"] = vision.NumAttentionHeads,
        ["num_channels"] = vision.NumChannels,
        ["num_hidden_layers"] = vision.NumHiddenLayers,
        ["patch_size"] = vision.PatchSize,
        ["projection_dim"] = vision.ProjectionDim,
    };

    /// <summary>How CLIP's images of a side are made.</summary>
    public static Dictionary<string, object> Preprocessor(int side)
    {
        ((float R, float G, float B) mean, (float R, float G, float B) std) = FramePreprocessing.Clip;
        return new()
        {
            ["crop_size"] = side,
            ["do_center_crop"] = true,
            ["do_normalize"] = true,
            ["do_resize"] = true,
            ["image_mean"] = new[] { mean.R, mean.G, mean.B },
            ["image_processor_type"] = "CLIPImageProcessor",
            ["image_std"] = new[] { std.R, std.G, std.B },
            ["resample"] = 3,
            ["size"] = new Dictionary<string, int> { ["shortest_edge"] = side },
        };
    }
}
