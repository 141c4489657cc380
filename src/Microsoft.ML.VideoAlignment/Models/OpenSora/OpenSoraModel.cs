using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Schedulers;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Models.OpenSora;

/// <summary>
/// Open-Sora 1.2 (hpcai-tech/OpenSora-STDiT-v3 with OpenSora-VAE-v1.2 and the encoder of T5 v1.1 XXL): rectified flow whose times depend on the size of
/// the video, and guidance away from a learned null text. Reference: VADER-Open-Sora's inference and training scripts.
/// </summary>
internal static class OpenSoraModel
{
    private const string DenoiserFolder = "transformer", DecoderFolder = "vae", TextFolder = "text_encoder";

    /// <summary>VADER's inference configuration.</summary>
    private static readonly RectifiedFlow s_vader = new() { ShiftsTimesteps = true };

    /// <summary>
    /// An image may begin a video, and a video's further segments begin with the last frame of the one before. At a guidance scale of 1 the null text has no
    /// weight; below, it has.
    /// </summary>
    private static readonly ModelTraits s_traits = new()
    {
        Family = VideoModelFamily.OpenSora,
        Images = ImageUse.Optional,
        TakesNegativePrompt = false,
        GuidesBelowOne = true,
        ReopensTextEncoder = true,
        Lora = new LoraVocabulary(["qkv", "q_linear", "kv_linear"], ["attn.proj", "cross_attn.proj"]),
    };

    /// <summary>The family.</summary>
    public static ModelDefinition Definition { get; } = new()
    {
        Traits = s_traits,
        Layout = "a folder with transformer/ (config.json of model_type STDiT3), vae/ and text_encoder/ (T5 with spiece.model)",
        Recognizes = static listing => IsDenoiser(Path.Combine(listing.Path, DenoiserFolder)) || IsDenoiser(listing.Path),
        Check = Check,
        Load = static (path, options, cancellation) => FromFolder(
            path, options.Variant, Placement.OnCpu(options.Precision), residence: options.TextEncoder,
            promptCacheFolder: options.PromptCacheFolder, cancellation: cancellation),
        Untrained = OpenSoraUntrained.Make,
    };

    /// <summary>Loads a folder with transformer/, vae/ and text_encoder/. The text encoder's weights are checked now and read at the first prompt.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="variant">The files' variant, such as "fp16"; null: none.</param>
    /// <param name="placement">Where the weights go and how they are stored.</param>
    /// <param name="flow">How times run; null: as VADER samples.</param>
    /// <param name="prompts">How prompts are written for the text encoder; null: as VADER writes them.</param>
    /// <param name="residence">Where the text encoder's weights stay between its calls.</param>
    /// <param name="promptCacheFolder">Where states of prompts are kept; null: nowhere.</param>
    /// <param name="cancellation">Ends the reading.</param>
    /// <exception cref="WeightFileException">A folder or file is missing, damaged, or of another model.</exception>
    public static ModelParts FromFolder(
        string folder, string? variant, Placement placement, RectifiedFlow? flow = null, OpenSoraPromptSettings? prompts = null,
        TextEncoderLoading residence = TextEncoderLoading.Automatic, string? promptCacheFolder = null, CancellationToken cancellation = default)
    {
        var files = new DiffusersFolder(folder, cancellation);
        RequireWhole(folder, files.HasComponent(DenoiserFolder));
        string textFolder = files.OpenComponent(TextFolder).Location;
        string tokenizerFolder = T5TokenizerFolder.Find(folder);
        files.OpenComponent(TextFolder).OpenWeights(variant).Dispose();
        using var parts = new ConstructionScope();
        STDiT3 network = parts.Add(LoadNetwork(files.OpenComponent(DenoiserFolder), variant, placement));
        var encoder = new T5PromptEncoder(
            T5Tokenizer.FromFolder(tokenizerFolder, (int)network.Config.MaxTokens), () => T5Files.Open(textFolder, placement, residence, variant),
            () => T5Files.CountBytes(textFolder, placement, residence));
        ITextStateEncoder text = PromptStateCache.Create(encoder, promptCacheFolder, [textFolder, tokenizerFolder], variant, placement);

        VideoAutoencoder vae = parts.Add(LoadAutoencoder(files.OpenComponent(DecoderFolder), variant, placement));
        return parts.Finish(FromNetworks(folder, text, network, vae, placement, flow, prompts)) with
        {
            Hash = () => WeightHash.Compute(new DiffusersFolder(folder), variant, DenoiserFolder, DecoderFolder, TextFolder),
        };
    }

    /// <summary>Makes a model from single folders, for cases that come without a whole one; it has no hash.</summary>
    /// <param name="text">The text encoder with its tokenizer; the model owns it.</param>
    /// <param name="transformerFolder">The denoiser's folder.</param>
    /// <param name="vaeFolder">The autoencoder's folder.</param>
    /// <param name="flow">How times run.</param>
    /// <param name="placement">Where the weights go and how they are stored.</param>
    public static ModelParts FromParts(ITextStateEncoder text, string transformerFolder, string vaeFolder, RectifiedFlow flow, Placement placement) =>
        FromNetworks(
            transformerFolder, text, LoadNetwork(new DiffusersFolder(transformerFolder), variant: null, placement),
            LoadAutoencoder(new DiffusersFolder(vaeFolder), variant: null, placement), placement, flow);

    /// <summary>Makes a model from networks that exist already; it owns them and has no hash.</summary>
    /// <param name="source">What to call the model.</param>
    /// <param name="text">The text encoder with its tokenizer.</param>
    /// <param name="network">The denoiser.</param>
    /// <param name="vae">The autoencoder.</param>
    /// <param name="placement">Where the networks are.</param>
    /// <param name="flow">How times run; null: as VADER samples.</param>
    /// <param name="prompts">How prompts are written for the text encoder; null: as VADER writes them.</param>
    public static ModelParts FromNetworks(
        string source, ITextStateEncoder text, STDiT3 network, VideoAutoencoder vae, Placement placement,
        RectifiedFlow? flow = null, OpenSoraPromptSettings? prompts = null)
    {
        flow ??= s_vader;
        prompts ??= new OpenSoraPromptSettings();
        var samplers = new OpenSoraSamplers(flow);
        var sizes = new OpenSoraVideoSizes(vae.Config, flow);
        return new ModelParts
        {
            Traits = s_traits,
            Source = source,
            Conditioner = new OpenSoraConditioner(text, network, prompts, placement.Device),
            Denoiser = new OpenSoraDenoiser(network, vae.Config, flow),
            Decoder = new OpenSoraDecoder(vae),
            Samplers = samplers,
            Sizes = sizes,
            Frames = new FrameConditioning(vae, network, prompts, samplers, sizes),
            Sampling = new SamplingDefaults(30, 7) { FramesPerSecond = OpenSoraConditioner.UsualFramesPerSecond },
            Device = placement.Device,
        };
    }

    // Reads what is not weights.
    private static void Check(ModelListing listing, VideoModelOptions options)
    {
        RequireWhole(listing.Path, listing.HasFolder(DenoiserFolder));
        var files = new DiffusersFolder(listing.Path);
        files.OpenComponent(DenoiserFolder).Parse(STDiT3Config.FromJson);
        files.OpenComponent(DecoderFolder).Parse(VideoAutoencoderConfig.FromJson);
        files.OpenComponent(TextFolder).Parse(T5Config.FromJson);
        T5Tokenizer.FromFolder(T5TokenizerFolder.Find(listing.Path));
        listing.RequireWeights(options.Variant, DenoiserFolder, DecoderFolder, TextFolder);
    }

    private static void RequireWhole(string folder, bool hasDenoiserFolder)
    {
        if (!hasDenoiserFolder && IsDenoiser(folder))
        {
            throw new WeightFileException(
                folder, $"is {VideoModelFamily.OpenSora}'s denoiser alone. Expected a folder with transformer/ (this one), vae/ (OpenSora-VAE-v1.2) "
                    + "and text_encoder/ (t5-v1_1-xxl with spiece.model); links will do.");
        }
    }

    private static bool IsDenoiser(string folder) =>
        File.Exists(Path.Combine(folder, "config.json")) && ConfigJson.Text(new DiffusersFolder(folder).ReadConfig(), "model_type", "") == "STDiT3";

    private static STDiT3 LoadNetwork(DiffusersFolder files, string? variant, Placement placement) =>
        files.Load(config => new STDiT3(STDiT3Config.FromJson(config), placement), variant);

    private static VideoAutoencoder LoadAutoencoder(DiffusersFolder files, string? variant, Placement placement)
    {
        using var parts = new ConstructionScope();
        VideoAutoencoder vae = parts.Add(
            files.Load(config => new VideoAutoencoder(VideoAutoencoderConfig.FromJson(config), placement), variant, VideoAutoencoder.Keys));
        vae.RequireScale(files.Location);
        return parts.Finish(vae);
    }
}
