using System.Text.Json;
using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Models.Wan;

/// <summary>
/// Wan 2.1 and 2.2 (Wan Team 2025, arXiv 2503.20314): text to video, image to video, TI2V-5B and the two experts of A14B, in diffusers' folders. Reference:
/// diffusers, <c>WanPipeline</c> and <c>WanImageToVideoPipeline</c>.
/// </summary>
internal static class WanModel
{
    /// <summary>The family's one name.</summary>
    internal const string Family = "Wan";

    private const string DenoiserFolder = "transformer", LowNoiseFolder = "transformer_2", DecoderFolder = "vae", TextFolder = "text_encoder",
        ImageFolder = "image_encoder", ProcessorFolder = "image_processor";

    private static readonly LoraVocabulary s_lora = new(["to_q", "to_k", "to_v"], ["to_out.0"]) { FeedForward = ["ffn.net.0.proj", "ffn.net.2"] };

    private static readonly ModelTraits s_traits = new() { Family = Family, Images = ImageUse.Optional, ReopensTextEncoder = true, Lora = s_lora };

    /// <summary>The reference's defaults.</summary>
    private static readonly SamplingDefaults s_sampling = new(50, 5);

    /// <summary>The sizes that Wan 2.1 and 2.2 A14B, and TI2V-5B, are published for.</summary>
    private static readonly VideoSize s_size = new(81, 480, 832), s_largeSize = new(121, 704, 1280);

    /// <summary>The family.</summary>
    public static ModelDefinition Definition { get; } = new()
    {
        Traits = s_traits,
        Layout = $"a diffusers folder: {DiffusersFolder.IndexName} with {WanModelIndex.TextToVideo} or {WanModelIndex.ImageToVideo}, transformer/, vae/, "
            + "text_encoder/, tokenizer/, scheduler/; with two experts transformer_2/, with an image branch image_encoder/",
        Recognizes = static listing => WanModelIndex.IsKnown(DiffusersFolder.ReadPipelineClass(listing.Path)),
        Check = Check,
        Load = static (path, options, cancellation) => FromFolder(
            path, options.Variant, Placement.OnCpu(options.Precision), residence: options.TextEncoder, promptCacheFolder: options.PromptCacheFolder,
            cancellation: cancellation),
    };

    /// <summary>Loads a diffusers folder. The text encoder's weights are checked now and read at the first prompt.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="variant">The files' variant, such as "fp16"; null: none.</param>
    /// <param name="placement">Where the weights go and how they are stored.</param>
    /// <param name="textLength">Rows of a text's states; models with an image branch are trained with the published number alone.</param>
    /// <param name="residence">Where the text encoder's weights stay between its calls.</param>
    /// <param name="promptCacheFolder">Where states of prompts are kept; null: nowhere.</param>
    /// <param name="cancellation">Ends the reading.</param>
    /// <exception cref="WeightFileException">A folder or file is missing, damaged, or of another model.</exception>
    /// <exception cref="InvalidDataException">Parts do not fit each other.</exception>
    public static ModelParts FromFolder(
        string folder, string? variant, Placement placement, int textLength = WanPromptEncoder.PublishedLength,
        TextEncoderLoading residence = TextEncoderLoading.Automatic, string? promptCacheFolder = null, CancellationToken cancellation = default)
    {
        var files = new DiffusersFolder(folder, cancellation);
        WanModelIndex index = ReadIndex(files);
        JsonElement scheduler = ConfiguredSamplers.Read(files);
        files.OpenComponent(TextFolder).OpenWeights(variant).Dispose();
        using var parts = new ConstructionScope();
        ITextStateEncoder text = OpenText(files, variant, placement, textLength, residence, promptCacheFolder);
        WanTransformer network = parts.Add(LoadNetwork(files.OpenComponent(DenoiserFolder), variant, placement));
        var networks = new WanNetworks(
            network,
            index.BoundaryRatio is null ? null : parts.Add(LoadNetwork(files.OpenComponent(LowNoiseFolder), variant, placement)),
            parts.Add(LoadAutoencoder(files.OpenComponent(DecoderFolder), variant, placement)),
            network.Config.HasImageBranch ? LoadImageEncoder(files, variant, placement, parts) : null);
        RequireWidth(files, networks);
        return parts.Finish(FromNetworks(folder, text, networks, index, scheduler, placement)) with
        {
            Hash = () => WeightHash.Compute(new DiffusersFolder(folder), variant, Weighted(index, network.Config)),
        };
    }

    /// <summary>Makes a model from networks that exist already; it owns them and has no hash.</summary>
    /// <param name="source">What to call the model.</param>
    /// <param name="text">UMT5 with its tokenizer, or the files of its states.</param>
    /// <param name="networks">The networks.</param>
    /// <param name="index">What model_index.json says.</param>
    /// <param name="schedulerConfig">The scheduler_config.json.</param>
    /// <param name="placement">Where the networks are.</param>
    /// <exception cref="InvalidDataException">The networks do not fit each other or the index.</exception>
    public static ModelParts FromNetworks(
        string source, ITextStateEncoder text, WanNetworks networks, WanModelIndex index, JsonElement schedulerConfig, Placement placement)
    {
        networks.Require(index);
        WanVaeConfig vae = networks.Vae.Config;
        WanImageForm form = networks.FormOf(index);
        var samplers = new ConfiguredSamplers(schedulerConfig);
        return new ModelParts
        {
            Traits = s_traits with { Images = form == WanImageForm.None ? ImageUse.None : ImageUse.Optional, Lora = Vocabulary(networks.HighNoise.Config) },
            Source = source,
            Conditioner = new WanConditioner(new WanPromptEncoder(text), networks, form, placement.Device),
            Denoiser = Denoiser(networks, (index.BoundaryRatio ?? 0) * samplers.Scheduler.TrainTimesteps),
            Decoder = new WanDecoder(networks.Vae),
            Samplers = samplers,
            Sizes = new WanVideoSizes(Family, index.ExpandsTimesteps ? s_largeSize : s_size, vae, networks.HighNoise.Config.PatchSize),
            Frames = form == WanImageForm.None ? null : new WanFrameConditioning(networks, form),
            Sampling = s_sampling,
            Device = placement.Device,
        };
    }

    // Reads what is not weights.
    private static void Check(ModelListing listing, VideoModelOptions options)
    {
        var files = new DiffusersFolder(listing.Path);
        WanModelIndex index = ReadIndex(files);
        WanTransformerConfig network = files.OpenComponent(DenoiserFolder).Parse(WanTransformerConfig.FromJson);
        if (index.BoundaryRatio is not null)
        {
            files.OpenComponent(LowNoiseFolder).Parse(WanTransformerConfig.FromJson);
        }

        files.OpenComponent(DecoderFolder).Parse(WanVaeConfig.FromJson);
        files.OpenComponent(TextFolder).Parse(T5Config.FromJson);
        T5Tokenizer.FromFolder(T5TokenizerFolder.Find(listing.Path));
        ConfiguredSamplers.Read(files);
        if (network.HasImageBranch)
        {
            files.OpenComponent(ImageFolder).Parse(ClipVisionConfig.FromJson);
            files.OpenComponent(ProcessorFolder).Parse(ClipImageProcessor.FromJson, ClipImageProcessor.FileName);
        }

        listing.RequireWeights(options.Variant, Weighted(index, network));
    }

    private static WanModelIndex ReadIndex(DiffusersFolder files)
    {
        WanModelIndex index = files.Parse(WanModelIndex.FromJson, DiffusersFolder.IndexName);
        bool two = files.HasComponent(LowNoiseFolder);
        return two == index.BoundaryRatio.HasValue ? index : throw new WeightFileException(
            files.Location,
            two ? $"has {LowNoiseFolder}/, and its {DiffusersFolder.IndexName} no boundary_ratio that says when that expert predicts (published: 0.875 for "
                    + "text to video, 0.9 for image to video)."
                : $"has no {LowNoiseFolder}/, the expert for low noise that boundary_ratio {index.BoundaryRatio} of its {DiffusersFolder.IndexName} asks for.");
    }

    // Folders with weights.
    private static string[] Weighted(WanModelIndex index, WanTransformerConfig network) =>
    [
        DenoiserFolder, DecoderFolder, TextFolder, .. index.BoundaryRatio is null ? [] : new[] { LowNoiseFolder },
        .. network.HasImageBranch ? new[] { ImageFolder } : [],
    ];

    private static LoraVocabulary Vocabulary(WanTransformerConfig network) =>
        network.HasImageBranch ? s_lora with { Qkv = [.. s_lora.Qkv, "add_k_proj", "add_v_proj"] } : s_lora;

    private static WanDenoiser Denoiser(WanNetworks networks, double boundary)
    {
        var factors = new WanLatentFactors(networks.Vae.Config.TimeFactor, checked((int)networks.Vae.Config.SpatialFactor));
        return networks.LowNoise is { } low ? new WanDenoiser(new WanExperts(networks.HighNoise, low), boundary, factors)
            : new WanDenoiser(networks.HighNoise, factors);
    }

    private static ITextStateEncoder OpenText(
        DiffusersFolder files, string? variant, Placement placement, int length, TextEncoderLoading residence, string? cacheFolder)
    {
        string textFolder = files.OpenComponent(TextFolder).Location, tokenizerFolder = T5TokenizerFolder.Find(files.Location);
        var text = new T5PromptEncoder(
            T5Tokenizer.FromFolder(tokenizerFolder, length), () => T5Files.Open(textFolder, placement, residence, variant),
            () => T5Files.CountBytes(textFolder, placement, residence), padToLongest: true);
        return PromptStateCache.Create(text, cacheFolder, [textFolder, tokenizerFolder], variant, placement);
    }

    private static void RequireWidth(DiffusersFolder files, WanNetworks networks)
    {
        long width = files.OpenComponent(TextFolder).Parse(T5Config.FromJson).DModel, expected = networks.HighNoise.Config.TextWidth;
        if (width != expected)
        {
            throw new InvalidDataException(
                $"{files.Location}: text_encoder: expected states of {expected} numbers (text_dim of the transformer), got {width} (d_model).");
        }
    }

    private static WanTransformer LoadNetwork(DiffusersFolder files, string? variant, Placement placement) =>
        files.Load(config => new WanTransformer(WanTransformerConfig.FromJson(config), placement), variant, WanTransformerKeys.Map);

    private static WanVae LoadAutoencoder(DiffusersFolder files, string? variant, Placement placement)
    {
        WanVaeConfig config = files.Parse(WanVaeConfig.FromJson);
        return files.Load(_ => new WanVae(config, placement), variant, WanVaeKeys.CreateMap(config));
    }

    private static WanImageEncoder LoadImageEncoder(DiffusersFolder files, string? variant, Placement placement, ConstructionScope parts) => new(
        parts.Add(ClipVisionEncoder.FromFolder(files.OpenComponent(ImageFolder), placement, variant)),
        files.OpenComponent(ProcessorFolder).Parse(ClipImageProcessor.FromJson, ClipImageProcessor.FileName));
}
