using System.Text.Json;
using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Models.StableVideoDiffusion;

/// <summary>
/// Stable Video Diffusion, image to video (stabilityai/stable-video-diffusion-img2vid and -xt, and every folder of their shape): CLIP image encoder,
/// UNetSpatioTemporalConditionModel, a KL VAE with a temporal decoder. Reference: diffusers.StableVideoDiffusionPipeline.
/// </summary>
internal static class StableVideoDiffusionModel
{
    /// <summary>The pipeline class named in model_index.json.</summary>
    internal const string ClassName = "StableVideoDiffusionPipeline";

    /// <summary>Keys of our own in model_index.json (diffusers ignores names with an underscore): the size the model was trained at, in pixels.</summary>
    internal const string HeightKey = "_height", WidthKey = "_width";

    /// <summary>The reference's default, for folders that do not say theirs.</summary>
    private const int OfficialHeight = 576, OfficialWidth = 1024;

    /// <summary>The reference's defaults; a folder can say other steps and another guidance scale.</summary>
    private static readonly SamplingDefaults s_sampling =
        new(25, 3) { MinGuidanceScale = 1, FramesPerSecond = 7, MotionBucketId = 127, NoiseAugmentation = 0.02 };

    /// <summary>d(final latents) / d(prediction) is -0.002 at the last of 25 steps, -0.29 at step 17.</summary>
    private static readonly ModelTraits s_traits = new()
    {
        DecoderExceedsFloat16 = true,
        Family = VideoModelFamily.StableVideoDiffusion,
        Images = ImageUse.Required,
        LastStepIsInert = true,
        TakesNegativePrompt = false,
    };

    /// <summary>The family.</summary>
    public static ModelDefinition Definition { get; } = new()
    {
        Traits = s_traits,
        Layout = $"a diffusers folder: {DiffusersFolder.IndexName} with {ClassName}, unet/, vae/, image_encoder/, scheduler/",
        Recognizes = static listing => DiffusersFolder.ReadPipelineClass(listing.Path) == ClassName,
        Check = Check,
        Load = static (path, options, cancellation) => FromFolder(path, options.Variant, Placement.OnCpu(options.Precision), cancellation),
        Untrained = StableVideoDiffusionUntrained.Make,
    };

    /// <summary>Loads a diffusers folder: model_index.json, unet/, vae/, image_encoder/, scheduler/.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="variant">The files' variant, such as "fp16" in diffusion_pytorch_model.fp16.safetensors; null: none.</param>
    /// <param name="placement">Where the weights go and how they are stored.</param>
    /// <param name="cancellation">Ends the reading.</param>
    public static ModelParts FromFolder(string folder, string? variant, Placement placement, CancellationToken cancellation = default)
    {
        var files = new DiffusersFolder(folder, cancellation);
        (int, int) size = files.Parse(
            index => ((int)ConfigJson.Integer(index, HeightKey, OfficialHeight),
                (int)ConfigJson.Integer(index, WidthKey, OfficialWidth)), DiffusersFolder.IndexName);
        SamplingDefaults sampling = files.Parse(index => SamplingDefaults.FromIndex(index, s_sampling), DiffusersFolder.IndexName);
        JsonElement scheduler = ConfiguredSamplers.Read(files);
        using var parts = new ConstructionScope();
        ClipVisionEncoder encoder = parts.Add(ClipVisionEncoder.FromFolder(files.OpenComponent("image_encoder"), placement, variant));
        StableVideoDiffusionUNet unet = parts.Add(LoadUNet(files.OpenComponent("unet"), variant, placement));
        AutoencoderKLTemporalDecoder vae = parts.Add(LoadVae(files.OpenComponent("vae"), variant, placement));
        return parts.Finish(FromNetworks(folder, encoder, unet, vae, scheduler, size, placement)) with
        {
            Sampling = sampling,
            Hash = () => WeightHash.Compute(new DiffusersFolder(folder), variant, "unet", "vae", "image_encoder"),
        };
    }

    /// <summary>Makes a model from networks that exist already; it owns them and has no hash.</summary>
    /// <param name="source">What to call the model.</param>
    /// <param name="encoder">The image encoder.</param>
    /// <param name="unet">The denoiser.</param>
    /// <param name="vae">The autoencoder.</param>
    /// <param name="schedulerConfig">The scheduler_config.json.</param>
    /// <param name="size">Height and width that the model was trained at, in pixels.</param>
    /// <param name="placement">Where the networks are.</param>
    public static ModelParts FromNetworks(
        string source, ClipVisionEncoder encoder, StableVideoDiffusionUNet unet, AutoencoderKLTemporalDecoder vae,
        JsonElement schedulerConfig, (int Height, int Width) size,
        Placement placement) => new()
        {
            Traits = s_traits,
            Source = source,
            Conditioner = new StableVideoDiffusionConditioner(encoder, vae, unet),
            Denoiser = new StableVideoDiffusionDenoiser(unet, vae.SpatialFactor),
            Decoder = new StableVideoDiffusionDecoder(vae),
            Samplers = new ConfiguredSamplers(schedulerConfig),
            Sizes = new MultipleSizes(s_traits.Family, new VideoSize((int)unet.Config.Frames, size.Height, size.Width), vae.SpatialFactor),
            Sampling = s_sampling,
            Device = placement.Device,
        };

    // Reads what is not weights.
    private static void Check(ModelListing listing, VideoModelOptions options)
    {
        var files = new DiffusersFolder(listing.Path);
        files.OpenComponent("unet").Parse(StableVideoDiffusionUNetConfig.FromJson);
        files.OpenComponent("vae").Parse(AutoencoderKLConfig.FromJson);
        files.OpenComponent("image_encoder").Parse(ClipVisionConfig.FromJson);
        ConfiguredSamplers.Read(files);
        listing.RequireWeights(options.Variant, "unet", "vae", "image_encoder");
    }

    private static StableVideoDiffusionUNet LoadUNet(DiffusersFolder files, string? variant, Placement placement) =>
        files.Load(config => new StableVideoDiffusionUNet(StableVideoDiffusionUNetConfig.FromJson(config), placement), variant);

    private static AutoencoderKLTemporalDecoder LoadVae(DiffusersFolder files, string? variant, Placement placement) =>
        files.Load(config => new AutoencoderKLTemporalDecoder(AutoencoderKLConfig.FromJson(config), placement), variant, AutoencoderKL.Keys);
}
