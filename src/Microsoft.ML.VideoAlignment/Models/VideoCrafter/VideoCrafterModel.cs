using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Models.VideoCrafter;

/// <summary>
/// VideoCrafter text-to-video (Chen et al. 2024, arXiv 2401.09047) from one checkpoint of lvdm: open_clip text tower, lvdm UNet that is told frames per second,
/// a 2D KL VAE applied frame by frame. Reference: VADER-VideoCrafter at adaf2ef, with every module in evaluation mode (the release leaves a dropout of 0.1 on).
/// </summary>
internal static class VideoCrafterModel
{
    /// <summary>Frames that the published models were trained at.</summary>
    private const int OfficialFrames = 16;

    /// <summary>The reference runs one branch at a scale of exactly 1, and both at any other.</summary>
    private static readonly ModelTraits s_traits = new() { Family = VideoModelFamily.VideoCrafter, GuidesBelowOne = true };

    /// <summary>The family.</summary>
    public static ModelDefinition Definition { get; } = new()
    {
        Traits = s_traits,
        Layout = $"a .ckpt file, or a folder with {VideoCrafterFiles.CheckpointName}, and beside it config.yaml (without one: VideoCrafter2's) and "
            + "bpe_simple_vocab_16e6.txt.gz",
        Recognizes = VideoCrafterFiles.Recognizes,
        Check = static (listing, options) =>
            new VideoCrafterFiles(Path.Combine(listing.Path, VideoCrafterFiles.CheckpointName), options.ConfigurationPath).Tokenizer(options.TokenizerPath),
        Load = static (path, options, cancellation) =>
        {
            var files = new VideoCrafterFiles(path, options.ConfigurationPath);
            return Load(path, files, files.Tokenizer(options.TokenizerPath), Placement.OnCpu(options.Precision), cancellation);
        },
        Untrained = VideoCrafterUntrained.Make,
    };

    /// <summary>Loads a checkpoint.</summary>
    /// <param name="path">The checkpoint, or the folder of a model.ckpt.</param>
    /// <param name="files">What lies there.</param>
    /// <param name="tokenizer">open_clip's tokenizer; null: only given token ids can be encoded.</param>
    /// <param name="placement">Where the weights go and how they are stored.</param>
    /// <param name="cancellation">Ends the reading.</param>
    public static ModelParts Load(string path, VideoCrafterFiles files, ClipTokenizer? tokenizer, Placement placement, CancellationToken cancellation = default)
    {
        VideoCrafterNetworks networks = files.Load(placement, out IReadOnlyList<string> notes, cancellation);
        try
        {
            // A folder can be saved into an alignment whole; a checkpoint under another name cannot be found in one again.
            string source = Path.GetFileName(path) == VideoCrafterFiles.CheckpointName ? Path.GetDirectoryName(Path.GetFullPath(path))! : path;
            return FromNetworks(source, files.Config, networks, tokenizer, placement) with { Hash = files.Hash, LoadNotes = notes };
        }
        catch
        {
            networks.Dispose();
            throw;
        }
    }

    /// <summary>Makes a model from networks that exist already; it owns them and has no hash.</summary>
    /// <param name="source">What to call the model.</param>
    /// <param name="config">The model's yaml.</param>
    /// <param name="networks">The networks; their schedule is freed.</param>
    /// <param name="tokenizer">open_clip's tokenizer; null: only given token ids can be encoded.</param>
    /// <param name="placement">Where the networks are.</param>
    public static ModelParts FromNetworks(
        string source, VideoCrafterConfig config, VideoCrafterNetworks networks, ClipTokenizer? tokenizer, Placement placement)
    {
        (VideoCrafterUNet unet, AutoencoderKL vae) = (networks.UNet, networks.Vae);
        var prompts = new OpenClipPromptEncoder(tokenizer, networks.TextModel, config.TextClipSkip);
        (long height, long width) = config.LatentSize ?? (40, 64);
        networks.Schedule.Dispose();
        return new ModelParts
        {
            Traits = s_traits,
            Source = source,
            Conditioner = new TextConditioner(prompts, config.Text.Text!.ContextLength, unet.Config.ContextWidth, tellsFrameRate: true),
            Denoiser = new VideoCrafterDenoiser(unet, vae.SpatialFactor),
            Decoder = new FrameByFrameDecoder(vae),
            Samplers = new VideoCrafterSamplers(config.Scheduler),

            // The VAE's factor times what the denoiser's levels halve.
            Sizes = new MultipleSizes(
                s_traits.Family, new VideoSize(OfficialFrames, (int)height * vae.SpatialFactor, (int)width * vae.SpatialFactor),
                vae.SpatialFactor * (int)unet.Config.SizeMultiple),

            // VADER's released training and inference commands; 24 frames a second is their scripts' default.
            Sampling = new SamplingDefaults(25, 12) { Eta = 1, FramesPerSecond = 24 },
            Device = placement.Device,
        };
    }
}
