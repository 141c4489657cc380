using Microsoft.ML.VideoAlignment.Autoencoders;
using Microsoft.ML.VideoAlignment.Denoisers.VideoCrafter;
using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Schedulers;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Pipelines;

/// <summary>
/// VideoCrafter text-to-video (Chen et al. 2024, arXiv 2401.09047) from one checkpoint of lvdm: open_clip text tower, lvdm UNet that is told frames per second, a 2D
/// KL VAE applied frame by frame. Reference: VADER-VideoCrafter at adaf2ef, with every module in evaluation mode (the release leaves a dropout of 0.1 on).
/// </summary>
internal sealed class VideoCrafterPipeline : VideoDiffusionModel
{
    /// <summary>Clip length of the published models.</summary>
    private const int OfficialFrames = 16;

    private readonly VideoCrafterConfig _config;
    private readonly VideoCrafterNetworks _networks;
    private readonly Lazy<string> _hash;
    private Device _device;

    private VideoCrafterPipeline(string source, VideoCrafterConfig config, VideoCrafterNetworks networks, ClipTokenizer? tokenizer, Placement placement, Func<string> hash)
    {
        Source = source;
        (_config, _networks, _device) = (config, networks, placement.Device);
        _hash = new Lazy<string>(hash);
        Prompts = new OpenClipPromptEncoder(tokenizer, networks.TextModel, config.TextClipSkip, () => _device);
        (long height, long width) = config.LatentSize ?? (40, 64);
        DefaultSize = new VideoSize(OfficialFrames, (int)height * Vae.SpatialFactor, (int)width * Vae.SpatialFactor);
    }

    /// <summary>How the family is recognized.</summary>
    internal static ModelFamily Files { get; } = new(
        "VideoCrafter", $"a .ckpt file, or a folder with {VideoCrafterFiles.CheckpointName}, and beside it config.yaml (without one: VideoCrafter2's) and bpe_simple_vocab_16e6.txt.gz",
        VideoCrafterFiles.Recognizes, Check, Open);

    /// <summary>The text encoder with its tokenizer.</summary>
    internal OpenClipPromptEncoder Prompts { get; }

    public override string Family => "VideoCrafter";

    public override string Source { get; }

    public override string Hash => _hash.Value;

    public override VideoSize DefaultSize { get; }

    /// <summary>The VAE's factor times what the denoiser's levels halve.</summary>
    public override int SizeMultiple => Vae.SpatialFactor * (int)UNet.Config.SizeMultiple;

    /// <summary>VADER's released training and inference commands: 25 steps, guidance 12, eta 1; 24 frames a second is their scripts' default.</summary>
    internal override SamplingDefaults DefaultSampling => new(25, 12) { Eta = 1, FramesPerSecond = 24 };

    internal override nn.Module Denoiser => UNet;

    internal override IScheduler Scheduler => _config.Scheduler;

    internal override Device Device => _device;

    internal override ActivationMemory Activations
    {
        get => UNet.Activations;
        set => UNet.Activations = Vae.Activations = value;
    }

    internal override IReadOnlyDictionary<string, nn.Module> Networks =>
        new Dictionary<string, nn.Module>(StringComparer.Ordinal) { ["unet"] = UNet, ["vae"] = Vae, ["text_encoder"] = Prompts.Network };

    private VideoCrafterUNet UNet => _networks.UNet;

    private AutoencoderKL Vae => _networks.Vae;

    /// <summary>Loads a checkpoint, or the model.ckpt of a folder, with the tokenizer beside it or of the options.</summary>
    internal static VideoCrafterPipeline Open(string path, VideoModelOptions options, CancellationToken cancellation = default)
    {
        var files = new VideoCrafterFiles(path, options.ConfigurationPath);
        ClipTokenizer tokenizer = files.Tokenizer(options.TokenizerPath);
        return Load(path, files, tokenizer, Placement.OnCpu(options.Precision), cancellation);
    }

    /// <summary>Reads what is not weights.</summary>
    private static void Check(ModelListing listing, VideoModelOptions options) =>
        new VideoCrafterFiles(Path.Combine(listing.Path, VideoCrafterFiles.CheckpointName), options.ConfigurationPath).Tokenizer(options.TokenizerPath);

    /// <summary>Loads a checkpoint. <paramref name="tokenizer"/> null: only given token ids can be encoded.</summary>
    internal static VideoCrafterPipeline Load(string path, VideoCrafterFiles files, ClipTokenizer? tokenizer, Placement placement, CancellationToken cancellation = default)
    {
        VideoCrafterNetworks networks = files.Load(placement, out IReadOnlyList<string> notes, cancellation);
        try
        {
            // A folder can be saved into an alignment whole; a checkpoint under another name cannot be found in one again.
            string source = Path.GetFileName(path) == VideoCrafterFiles.CheckpointName ? Path.GetDirectoryName(Path.GetFullPath(path))! : path;
            return new VideoCrafterPipeline(source, files.Config, networks, tokenizer, placement, files.Hash) { LoadNotes = notes };
        }
        catch
        {
            networks.Dispose();
            throw;
        }
    }

    /// <summary>A model from networks that are made already; it owns them and has no hash. <paramref name="tokenizer"/>: see <see cref="Load"/>.</summary>
    internal static VideoCrafterPipeline FromNetworks(
        string source, VideoCrafterConfig config, VideoCrafterNetworks networks, ClipTokenizer? tokenizer, Placement placement) =>
        new(source, config, networks, tokenizer, placement, () => throw new InvalidOperationException("A model made of parts has no hash."));

    internal override VideoDiffusionModel OnMeta() =>
        new VideoCrafterPipeline(Source, _config, new VideoCrafterNetworks(_config, Placement.ShapesOf(UNet)), tokenizer: null, Placement.Meta, () => Hash);

    internal override Condition EmptyCondition(int batch, VideoSize size) => new()
    {
        Text = empty([batch, _config.Text.Text!.ContextLength, UNet.Config.ContextWidth], device: META),
        Scalars = empty([batch, 1], device: META),
        Size = size,
    };

    /// <summary>The scale array that goes with the model's schedule is known to no other sampler.</summary>
    internal override IScheduler SwapScheduler(string className) => className == Scheduler.Name
        ? Scheduler
        : throw new NotSupportedException($"VideoCrafter samples with {Scheduler.Name} only, got '{className}'. Leave the sampler out.");

    internal override void MoveTo(Device device)
    {
        _networks.to(device);
        _device = device;
    }

    /// <summary>The reference runs one branch at a scale of exactly 1, and both at any other.</summary>
    internal override bool GuidanceActs(double scale) => scale != 1;

    internal override Condition Encode(VideoRequest request) => Encode(Prompts.Encode(request.Prompts), request);

    /// <summary>text: [B, L, D] of the request's prompts.</summary>
    internal static Condition Encode(Tensor text, VideoRequest request) => new()
    {
        Text = text,
        Scalars = ScalarOps.Full([text.shape[0], 1], request.FramesPerSecond, dtype: ScalarType.Float32, device: text.device),
        Size = request.Size,
    };

    internal override int CountTruncated(string prompt, int segments) => Prompts.CountTruncated(prompt);

    internal override long[] LatentShape(int batch, VideoSize size) =>
        [batch, UNet.Config.InChannels, size.Frames, size.Height / Vae.SpatialFactor, size.Width / Vae.SpatialFactor];

    internal override Tensor Predict(Tensor latents, double timestep, Condition condition)
    {
        using Tensor time = tensor(timestep, dtype: ScalarType.Float64, device: latents.device);
        return UNet.Forward(latents, time, condition.Text, condition.Scalars!);
    }

    internal override Tensor PredictEach(Tensor latents, IReadOnlyList<double> timesteps, Condition condition)
    {
        using Tensor each = tensor(timesteps.ToArray(), device: latents.device);
        return UNet.Forward(latents, each, condition.Text, condition.Scalars!);
    }

    internal override Tensor Decode(Tensor latents, int frames, IReadOnlyList<int>? chosen = null) => Vae.DecodeFrames(latents, chosen);

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _networks.Dispose();
        }

        base.Dispose(disposing);
    }
}
