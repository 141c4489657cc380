using System.Text.Json;
using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Schedulers;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Models.ModelScope;

/// <summary>
/// ModelScope text-to-video (damo-vilab/text-to-video-ms-1.7b and every folder of its shape): CLIP text encoder, UNet3DConditionModel, a 2D KL VAE
/// applied frame by frame. Reference: diffusers.TextToVideoSDPipeline.
/// </summary>
internal static class ModelScopeModel
{
    /// <summary>The pipeline class named in model_index.json.</summary>
    internal const string ClassName = "TextToVideoSDPipeline";

    /// <summary>A key of our own in model_index.json (diffusers ignores names with an underscore): the number of frames the model was trained at.</summary>
    internal const string FramesKey = "_num_frames";

    /// <summary>ModelScope's own number of frames, for folders that do not say theirs.</summary>
    private const int OfficialFrames = 16;

    /// <summary>CLIP's.</summary>
    private const int TextTokens = 77;

    /// <summary>diffusers' pipeline: 50 steps by default, 25 in its documentation and in VADER. A folder can say others.</summary>
    private static readonly SamplingDefaults s_sampling = new(25, 9);

    private static readonly ModelTraits s_traits = new() { Family = VideoModelFamily.ModelScope };

    /// <summary>The family.</summary>
    public static ModelDefinition Definition { get; } = new()
    {
        Traits = s_traits,
        Layout = $"a diffusers folder: {DiffusersFolder.IndexName} with {ClassName}, unet/, vae/, text_encoder/, tokenizer/, scheduler/",
        Recognizes = static listing => DiffusersFolder.ReadPipelineClass(listing.Path) == ClassName,
        Check = Check,
        Load = static (path, options, cancellation) => FromFolder(path, options.Variant, Placement.OnCpu(options.Precision), cancellation),
        Untrained = ModelScopeUntrained.Make,
    };

    /// <summary>Loads a diffusers folder: model_index.json, unet/, vae/, text_encoder/, tokenizer/, scheduler/.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="variant">The files' variant, such as "fp16" in diffusion_pytorch_model.fp16.safetensors; null: none.</param>
    /// <param name="placement">Where the weights go and how they are stored.</param>
    /// <param name="cancellation">Ends the reading.</param>
    public static ModelParts FromFolder(string folder, string? variant, Placement placement, CancellationToken cancellation = default)
    {
        var files = new DiffusersFolder(folder, cancellation);
        int frames = files.Parse(index => (int)ConfigJson.Integer(index, FramesKey, OfficialFrames), DiffusersFolder.IndexName);
        SamplingDefaults sampling = files.Parse(index => SamplingDefaults.FromIndex(index, s_sampling), DiffusersFolder.IndexName);
        JsonElement scheduler = ConfiguredSamplers.Read(files);
        using var parts = new ConstructionScope();
        ClipPromptEncoder prompts = parts.Add(new ClipPromptEncoder(
            ClipTokenizer.FromFolder(files.OpenComponent("tokenizer").Location),
                ClipTextEncoder.FromFolder(files.OpenComponent("text_encoder"), placement, variant)));
        ModelScopeUNet unet = parts.Add(LoadUNet(files.OpenComponent("unet"), variant, placement));
        AutoencoderKL vae = parts.Add(LoadVae(files.OpenComponent("vae"), variant, placement));
        return parts.Finish(FromNetworks(folder, prompts, unet, vae, scheduler, placement, frames)) with
        {
            Sampling = sampling,
            Hash = () => WeightHash.Compute(new DiffusersFolder(folder), variant, "unet", "vae", "text_encoder"),
        };
    }

    /// <summary>Makes a model from single folders, for cases that come without a whole one.</summary>
    /// <param name="prompts">The text encoder with its tokenizer; the model owns it.</param>
    /// <param name="unetFolder">The denoiser's folder.</param>
    /// <param name="vaeFolder">The autoencoder's folder.</param>
    /// <param name="schedulerConfig">The scheduler_config.json.</param>
    /// <param name="placement">Where the weights go and how they are stored.</param>
    public static ModelParts FromParts(IPromptEncoder prompts, string unetFolder, string vaeFolder, JsonElement schedulerConfig, Placement placement) =>
        FromNetworks(
            unetFolder, prompts, LoadUNet(new DiffusersFolder(unetFolder), variant: null, placement),
            LoadVae(new DiffusersFolder(vaeFolder), variant: null, placement), schedulerConfig, placement);

    /// <summary>Makes a model from networks that exist already; it owns them and has no hash.</summary>
    /// <param name="source">What to call the model.</param>
    /// <param name="prompts">The text encoder with its tokenizer.</param>
    /// <param name="unet">The denoiser.</param>
    /// <param name="vae">The autoencoder.</param>
    /// <param name="schedulerConfig">The scheduler_config.json.</param>
    /// <param name="placement">Where the networks are.</param>
    /// <param name="frames">Frames that the model was trained at.</param>
    public static ModelParts FromNetworks(
        string source, IPromptEncoder prompts, ModelScopeUNet unet, AutoencoderKL vae,
        JsonElement schedulerConfig, Placement placement, int frames = OfficialFrames)
    {
        int factor = vae.SpatialFactor;
        (long height, long width) = unet.Config.SampleSize;
        return new ModelParts
        {
            Traits = s_traits,
            Source = source,
            Conditioner = new TextConditioner(prompts, TextTokens, unet.Config.CrossAttentionWidth),
            Denoiser = new ModelScopeDenoiser(unet, factor),
            Decoder = new FrameByFrameDecoder(vae),
            Samplers = new ConfiguredSamplers(schedulerConfig, DdimScheduler.FromConfig),
            Sizes = new MultipleSizes(s_traits.Family, new VideoSize(frames, (int)height * factor, (int)width * factor), factor),
            Sampling = s_sampling,
            Device = placement.Device,
        };
    }

    // Reads what is not weights.
    private static void Check(ModelListing listing, VideoModelOptions options)
    {
        var files = new DiffusersFolder(listing.Path);
        files.OpenComponent("unet").Parse(ModelScopeUNetConfig.FromJson);
        files.OpenComponent("vae").Parse(AutoencoderKLConfig.FromJson);
        files.OpenComponent("text_encoder").Parse(ClipTextConfig.FromJson);
        ClipTokenizer.FromFolder(files.OpenComponent("tokenizer").Location);
        ConfiguredSamplers.Read(files);
        listing.RequireWeights(options.Variant, "unet", "vae", "text_encoder");
    }

    private static ModelScopeUNet LoadUNet(DiffusersFolder files, string? variant, Placement placement) =>
        files.Load(config => new ModelScopeUNet(ModelScopeUNetConfig.FromJson(config), placement), variant);

    private static AutoencoderKL LoadVae(DiffusersFolder files, string? variant, Placement placement) =>
        files.Load(config => new AutoencoderKL(AutoencoderKLConfig.FromJson(config), placement), variant, AutoencoderKL.Keys);
}
