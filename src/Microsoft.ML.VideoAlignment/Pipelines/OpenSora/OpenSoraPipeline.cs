using System.Runtime.CompilerServices;
using Microsoft.ML.VideoAlignment.Autoencoders.OpenSora;
using Microsoft.ML.VideoAlignment.Denoisers.OpenSora;
using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Files;
using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Schedulers;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Pipelines;

/// <summary>
/// Open-Sora 1.2 (hpcai-tech/OpenSora-STDiT-v3 with OpenSora-VAE-v1.2 and the encoder of T5 v1.1 XXL): rectified flow whose times depend on the size of
/// the video, and guidance away from a learned null text. Reference: VADER-Open-Sora's inference and training scripts.
/// </summary>
internal sealed class OpenSoraPipeline : VideoDiffusionModel
{
    private const double UsualFramesPerSecond = 24;

    private readonly ITextStateEncoder _text;
    private readonly STDiT3 _network;
    private readonly VideoAutoencoder _vae;
    private readonly RectifiedFlow _flow;
    private readonly Lazy<string> _hash;
    private readonly ConditionalWeakTable<Condition, StrongBox<long>> _longestTexts = [];
    private Device _device;

    private OpenSoraPipeline(
        string source, ITextStateEncoder text, STDiT3 network, VideoAutoencoder vae, RectifiedFlow flow, Placement placement, Func<string> hash)
    {
        Source = source;
        (_text, _network, _vae, _flow) = (text, network, vae, flow);
        _hash = new Lazy<string>(hash);
        _device = placement.Device;
    }

    public override string Family => "Open-Sora";

    public override string Source { get; }

    public override string Hash => _hash.Value;

    /// <summary>VADER's training command: 2 seconds at 240p, 3:4.</summary>
    public override VideoSize DefaultSize { get; } = new(OpenSoraSizes.FrameCount("2s"), OpenSoraSizes.ImageSize("240p", "3:4").Height, OpenSoraSizes.ImageSize("240p", "3:4").Width);

    /// <summary>Any size will do: what does not fill a latent is left out (see <see cref="OutputSize"/>).</summary>
    public override int SizeMultiple => 1;

    /// <summary>How prompts are written for the text encoder.</summary>
    internal OpenSoraPromptSettings PromptSettings { get; init; } = new();

    /// <summary>The text encoder with its tokenizer.</summary>
    internal ITextStateEncoder TextEncoder => _text;

    internal VideoAutoencoder Autoencoder => _vae;

    internal override SamplingDefaults DefaultSampling => new(30, 7) { FramesPerSecond = UsualFramesPerSecond };

    internal override nn.Module Denoiser => _network;

    internal override IScheduler Scheduler => _flow;

    internal override Device Device => _device;

    internal override ActivationMemory Activations
    {
        get => _network.Activations;
        set => (_network.Activations, _vae.Activations) = (value, value);
    }

    /// <summary>The networks by their folder's name; the text encoder has its own life.</summary>
    internal override IReadOnlyDictionary<string, nn.Module> Networks =>
        new Dictionary<string, nn.Module>(StringComparer.Ordinal) { ["transformer"] = _network, ["vae"] = _vae };

    /// <summary>A temporal chunk at once: it has to be decoded whole for any of its frames.</summary>
    internal override int FramesDecodedTogether => _vae.Config.ChunkFrames ?? base.FramesDecodedTogether;

    /// <summary>How the family is recognized.</summary>
    internal static ModelFamily Files { get; } = new(
        "Open-Sora 1.2", "a folder with transformer/ (config.json of model_type STDiT3), vae/ and text_encoder/ (T5 with spiece.model)",
        listing => IsDenoiser(Path.Combine(listing.Path, "transformer")) || IsDenoiser(listing.Path), Check, Open);

    /// <inheritdoc cref="FromFolder"/>
    internal static OpenSoraPipeline Open(string folder, VideoModelOptions options, CancellationToken cancellation = default) => FromFolder(
        folder, options.Variant, Placement.OnCpu(options.Precision), residence: options.TextEncoder, promptCacheFolder: options.PromptCacheFolder, cancellation: cancellation);

    /// <summary>Loads a folder with transformer/, vae/ and text_encoder/. The text encoder's weights are checked now and read at the first prompt.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="variant">The files' variant, such as "fp16".</param>
    /// <param name="placement">Where the weights go and how they are stored.</param>
    /// <param name="flow">How times run; null: as VADER samples.</param>
    /// <param name="prompts">How prompts are written for the text encoder; null: as VADER writes them.</param>
    /// <param name="residence">Where the text encoder's weights stay between its calls.</param>
    /// <param name="promptCacheFolder">Where states of prompts are kept; null: nowhere.</param>
    /// <param name="cancellation">Ends the reading.</param>
    /// <exception cref="WeightFileException">A folder or file is missing, damaged, or of another model.</exception>
    internal static OpenSoraPipeline FromFolder(
        string folder, string? variant, Placement placement, RectifiedFlow? flow = null, OpenSoraPromptSettings? prompts = null,
        TextEncoderLoading residence = TextEncoderLoading.Automatic, string? promptCacheFolder = null, CancellationToken cancellation = default)
    {
        var files = new DiffusersFolder(folder, cancellation);
        RequireWhole(folder, files.Has("transformer"));
        string textFolder = files.Component("text_encoder").Location;
        string tokenizerFolder = T5TokenizerFolder.Find(folder);
        files.Component("text_encoder").OpenWeights(variant).Dispose();
        using var parts = new ConstructionScope();
        STDiT3 network = parts.Add(LoadNetwork(files.Component("transformer"), variant, placement));
        ITextStateEncoder text = new T5PromptEncoder(
            T5Tokenizer.FromFolder(tokenizerFolder, (int)network.Config.MaxTokens), () => T5Files.Open(textFolder, placement, residence, variant));
        if (promptCacheFolder is not null)
        {
            string[] fingerprints = [.. new[] { textFolder, tokenizerFolder }.Distinct().Select(FolderFingerprint.Compute)];
            text = new PromptStateCache(text, promptCacheFolder, $"{string.Join('-', fingerprints)}-{variant}-{placement.StoredAs}");
        }

        VideoAutoencoder vae = parts.Add(LoadAutoencoder(files.Component("vae"), variant, placement));
        return parts.Finish(new OpenSoraPipeline(
            folder, text, network, vae, flow ?? Vader, placement, () => WeightHash.Compute(new DiffusersFolder(folder), variant, "transformer", "vae", "text_encoder"))
        {
            PromptSettings = prompts ?? new(),
        });
    }

    /// <summary>Reads what is not weights.</summary>
    private static void Check(ModelListing listing, VideoModelOptions options)
    {
        RequireWhole(listing.Path, listing.HasFolder("transformer"));
        var files = new DiffusersFolder(listing.Path);
        files.Component("transformer").Parse(STDiT3Config.FromJson);
        files.Component("vae").Parse(VideoAutoencoderConfig.FromJson);
        files.Component("text_encoder").Parse(T5Config.FromJson);
        T5Tokenizer.FromFolder(T5TokenizerFolder.Find(listing.Path));
        listing.RequireWeights(options.Variant, "transformer", "vae", "text_encoder");
    }

    private static void RequireWhole(string folder, bool hasDenoiserFolder)
    {
        if (!hasDenoiserFolder && IsDenoiser(folder))
        {
            throw new WeightFileException(
                folder, "is Open-Sora's denoiser alone. Expected a folder with transformer/ (this one), vae/ (OpenSora-VAE-v1.2) and text_encoder/ (t5-v1_1-xxl with spiece.model); links will do.");
        }
    }

    /// <summary>A model from single folders, for cases that come without a whole one; it has no hash.</summary>
    internal static OpenSoraPipeline FromParts(ITextStateEncoder text, string transformerFolder, string vaeFolder, RectifiedFlow flow, Placement placement) => new(
        transformerFolder, text, LoadNetwork(new DiffusersFolder(transformerFolder), variant: null, placement),
        LoadAutoencoder(new DiffusersFolder(vaeFolder), variant: null, placement), flow, placement,
        () => throw new InvalidOperationException("A model made of parts has no hash."));

    /// <summary>A model from networks that are made already; it owns them and has no hash.</summary>
    internal static OpenSoraPipeline FromNetworks(
        string source, ITextStateEncoder text, STDiT3 network, VideoAutoencoder vae, Placement placement) =>
        new(source, text, network, vae, Vader, placement, () => throw new InvalidOperationException("A model made of parts has no hash."));

    internal override VideoDiffusionModel OnMeta() => new OpenSoraPipeline(
        Source, _text, new STDiT3(_network.Config, Placement.ShapesOf(_network)), new VideoAutoencoder(_vae.Config, Placement.ShapesOf(_vae)), _flow, Placement.Meta,
        () => Hash);

    /// <summary>The longest text that the network takes.</summary>
    internal override Condition EmptyCondition(int batch, VideoSize size) => new()
    {
        Text = empty([batch, _network.Config.MaxTokens, _network.Config.CaptionChannels], device: META),
        TextMask = empty([batch, _network.Config.MaxTokens], dtype: ScalarType.Int64, device: META),
        Scalars = ScalarOps.Full([batch, 1], UsualFramesPerSecond, dtype: ScalarType.Float32),
        Size = size,
    };

    internal override IScheduler SwapScheduler(string className) => throw new NotSupportedException($"Open-Sora samples with rectified flow (RFLOW) and no other; leave the sampler's name out, got '{className}'.");

    internal override ISampler CreateSampler(SamplingSettings settings) => CreateSampler(settings, frameMask: null);

    internal override ISampler? SamplerFor(SamplingSettings settings, Condition condition) => condition.FrameMask is { } mask ? CreateSampler(settings, mask) : null;

    /// <summary>As <see cref="CreateSampler(SamplingSettings)"/>, with frames that are given or edited: [B, T'], see <see cref="Condition.FrameMask"/>.</summary>
    internal ISampler CreateSampler(SamplingSettings settings, Tensor? frameMask)
    {
        if (settings.SamplerName is { } name && name != _flow.Name)
        {
            SwapScheduler(name);
        }

        return _flow.CreateSampler(settings.Steps, settings.Size.Frames, settings.Size.Height, settings.Size.Width, frameMask);
    }

    internal override bool TextEncoderReopens => true;

    internal override void ReleaseTextEncoder() => _text.Release();

    internal override void MoveTo(Device device)
    {
        foreach (nn.Module network in Networks.Values)
        {
            network.to(device);
        }

        _text.MoveTo(device);
        _device = device;
    }

    /// <summary>An image may begin a video, and a video's further clips begin with the last frame of the one before.</summary>
    internal override ImageUse Images => ImageUse.Optional;

    private FrameConditioning Given => new(_vae, PromptSettings);

    internal override Condition Encode(VideoRequest request) => AddImages(EncodeTexts(request), request);

    /// <summary>Images are fitted to the size that frames come out with, so that none of an image is lost, and a frame handed on is not resized.</summary>
    internal override Condition AddImages(Condition texts, VideoRequest request)
    {
        using Tensor like = empty(0, ComputeDtype, _device);
        return Given.AddTo(texts, request, LatentShape(request.Prompts.Count, request.Size), OutputSize(request.Size), like);
    }

    internal override string TextRead(string prompt, int segment, int segments) => PromptSettings.TextOf(prompt, PromptSettings.LoopOf(segment, segments));

    internal override IReadOnlyList<string> ImagesNamed(string prompt) => FrameConditioning.Named(prompt);

    internal override void RequireImages(string prompt, int images, int segments) => Given.Require(prompt, images, segments);

    internal override Tensor Begin(Tensor noise, Condition condition) => FrameConditioning.Insert(noise, condition, edited: true);

    internal override Tensor Finish(Tensor latents, Condition condition) => FrameConditioning.Insert(latents, condition, edited: false);

    internal override Condition EncodeTexts(VideoRequest request)
    {
        TextStates states = _text.Encode([.. request.Prompts.Select(prompt => TextRead(prompt, request.Segment, request.Segments))]);
        double rate = request.Size.Frames == 1 ? OpenSoraSizes.ImageFramesPerSecond
            : request.FramesPerSecond > 0 ? request.FramesPerSecond : UsualFramesPerSecond;
        return new Condition
        {
            Text = states.States.to(_device),
            TextMask = states.Mask.to(_device),

            // Stays on the CPU: whether all rows are alike is then known without waiting for the device.
            Scalars = ScalarOps.Full([request.Prompts.Count, 1], rate, dtype: ScalarType.Float32),
            Size = request.Size,
        };
    }

    internal override bool TakesNegativePrompt => false;

    /// <summary>The cleaned text of the loop without its scores (VADER's train script); of a video those of its clips, one after another.</summary>
    internal override string RewardText(string prompt, int segments) => string.Join(", ", PromptSettings.TextsOf(prompt, segments).Select(OpenSoraPrompt.RewardText).Distinct());

    /// <summary>The learned null text, with as many tokens as the prompt has: the reference uses the prompt's mask for both.</summary>
    internal override Condition EncodeUnconditional(VideoRequest request, Condition conditional, Func<VideoRequest, Condition>? encode = null)
    {
        if (request.NegativePrompt.Length > 0)
        {
            throw new NotSupportedException($"Open-Sora leads away from a learned null text and takes no negative prompt; leave it empty, got '{Quotation.Shorten(request.NegativePrompt)}'.");
        }

        return Unconditional(conditional);
    }

    /// <summary>The other branch of a condition.</summary>
    internal Condition Unconditional(Condition conditional) => conditional with
    {
        Text = _network.NullText.to_type(conditional.Text.dtype).unsqueeze(0).repeat(conditional.Text.shape[0], 1, 1),
        TextMask = conditional.TextMask?.alias(),
        Scalars = conditional.Scalars?.alias(),
        ImageLatents = conditional.ImageLatents?.alias(),
        FrameMask = conditional.FrameMask?.alias(),
    };

    /// <summary>At 1 the null text has no weight; below, it has.</summary>
    internal override bool GuidanceActs(double scale) => scale != 1;

    internal override int CountTruncated(string prompt, int segments) => PromptSettings.TextsOf(prompt, segments).Max(_text.CountTruncated);

    internal override long[] LatentShape(int batch, VideoSize size)
    {
        (int frames, int height, int width) = _vae.Config.LatentSize(size.Frames, size.Height, size.Width);
        return [batch, _network.Config.InChannels, frames, height, width];
    }

    internal override string? SizeFault(VideoSize size)
    {
        var faults = new List<string>();
        if (_flow.MovesTimes && size.Frames is > 1 and < RectifiedFlow.ChunkFrames)
        {
            faults.Add($"{nameof(size.Frames)} must be 1 or at least {RectifiedFlow.ChunkFrames} for an {Family} model, got {size.Frames}; try {RectifiedFlow.NearestFrames(size.Frames)}.");
        }

        int least = _vae.Config.SpatialFactor;
        if (Math.Min(size.Height, size.Width) < least)
        {
            faults.Add($"{nameof(size.Height)} and {nameof(size.Width)} must be at least {least} for an {Family} model, got {size.Height} and {size.Width}; try {Math.Max(least, size.Height)} and {Math.Max(least, size.Width)}.");
        }

        return faults.Count == 0 ? null : string.Join(' ', faults);
    }

    internal override VideoSize OutputSize(VideoSize size) =>
        size with { Height = size.Height / _vae.Config.SpatialFactor * _vae.Config.SpatialFactor, Width = size.Width / _vae.Config.SpatialFactor * _vae.Config.SpatialFactor };

    internal override Tensor Predict(Tensor latents, double timestep, Condition condition)
    {
        using Tensor whole = PredictAll(latents, timestep, condition);
        return whole.narrow(1, 0, _network.Config.InChannels);
    }

    /// <summary>As <see cref="Predict"/>, with the channels that samplers do not use.</summary>
    internal Tensor PredictAll(Tensor latents, double timestep, Condition condition)
    {
        using DisposeScope scope = NewDisposeScope();

        // They are there already; with their graph they are there in gradient steps alone if not put in again.
        latents = Finish(latents, condition);
        Tensor? active = condition.FrameMask is { } mask ? RectifiedFlowSampler.ActiveFrames(mask, timestep, _flow.TrainTimesteps) : null;
        Tensor time = ScalarOps.Full([1], timestep, dtype: ScalarType.Float32, device: latents.device);
        long tokens = LongestText(condition);
        return _network.Forward(
            latents, time, condition.Text.narrow(1, 0, tokens), condition.TextMask?.narrow(1, 0, tokens), active, Rate(condition, latents.device),
            condition.Size.Height, condition.Size.Width).MoveToOuterDisposeScope();
    }

    internal override Tensor Decode(Tensor latents, int frames, IReadOnlyList<int>? chosen = null) => _vae.Decode(latents, frames, chosen);

    /// <summary>VADER-Open-Sora's way: the last of a latent frame's pixel frames, out of their context.</summary>
    internal override Tensor DecodeAlone(Tensor latents, IReadOnlyList<int> chosen)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor taken = FrameSelection.Select(latents, chosen);
        Tensor images = _vae.Decode(taken.transpose(1, 2).flatten(0, 1).unsqueeze(2), frames: 1); // [B*f, 3, 1, H, W]
        return images.squeeze(2).unflatten(0, [latents.shape[0], chosen.Count]).transpose(1, 2).MoveToOuterDisposeScope();
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _text.Dispose();
            _network.Dispose();
            _vae.Dispose();
        }

        base.Dispose(disposing);
    }

    /// <summary>Of VADER's inference configuration.</summary>
    private static RectifiedFlow Vader { get; } = new() { MovesTimes = true };

    private static bool IsDenoiser(string folder) => File.Exists(Path.Combine(folder, "config.json")) && ConfigJson.Text(new DiffusersFolder(folder).Config(), "model_type", "") == "STDiT3";

    private static STDiT3 LoadNetwork(DiffusersFolder files, string? variant, Placement placement) =>
        files.Load(config => new STDiT3(STDiT3Config.FromJson(config), placement), variant);

    private static VideoAutoencoder LoadAutoencoder(DiffusersFolder files, string? variant, Placement placement)
    {
        using var parts = new ConstructionScope();
        VideoAutoencoder vae = parts.Add(files.Load(config => new VideoAutoencoder(VideoAutoencoderConfig.FromJson(config), placement), variant, VideoAutoencoder.Keys));
        vae.RequireScale(files.Location);
        return parts.Finish(vae);
    }

    /// <summary>Frames a second, [1] where all rows are alike: the network's modulation is then the same for all of them.</summary>
    private static Tensor Rate(Condition condition, Device device)
    {
        using Tensor rates = condition.Scalars!.to_type(ScalarType.Float32).cpu().contiguous();
        float[] values = [.. rates.data<float>()];
        return tensor(values.Distinct().Count() == 1 ? values[..1] : values, device: device);
    }

    /// <summary>How far the longest text of a batch reaches: what lies behind takes no part. Found once for a condition, not at each step.</summary>
    private long LongestText(Condition condition) => _longestTexts.GetValue(condition, static given =>
    {
        if (given.TextMask is not { } mask || MetaOps.IsMeta(mask))
        {
            return new StrongBox<long>(given.Text.shape[1]);
        }

        using DisposeScope scope = NewDisposeScope();
        Tensor used = mask.NotEqualTo(0).any(0).cpu();
        return new StrongBox<long>(Math.Max(1, Array.LastIndexOf(used.data<bool>().ToArray(), true) + 1));
    }).Value;
}
