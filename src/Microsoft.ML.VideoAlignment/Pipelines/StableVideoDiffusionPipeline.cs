using System.Text.Json;
using Microsoft.ML.VideoAlignment.Autoencoders;
using Microsoft.ML.VideoAlignment.Denoisers.StableVideo;
using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Schedulers;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Video;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Pipelines;

/// <summary>
/// Stable Video Diffusion, image to video (stabilityai/stable-video-diffusion-img2vid and -xt, and every folder of their shape): CLIP image encoder,
/// UNetSpatioTemporalConditionModel, a KL VAE with a temporal decoder. Prompts are not read. Reference: diffusers.StableVideoDiffusionPipeline.
/// </summary>
internal sealed class StableVideoDiffusionPipeline : VideoDiffusionModel
{
    /// <summary>The pipeline class named in model_index.json.</summary>
    internal const string ClassName = "StableVideoDiffusionPipeline";

    /// <summary>Own keys of model_index.json (diffusers ignores names with an underscore): the size the model was trained at, in pixels.</summary>
    internal const string HeightKey = "_height", WidthKey = "_width";

    /// <summary>The reference's default, for folders that do not say theirs.</summary>
    private const int OfficialHeight = 576, OfficialWidth = 1024;

    /// <summary>Side of the image that the image encoder sees, whatever its own configuration says.</summary>
    private const long EncoderSide = 224;

    private readonly ClipVisionEncoder _imageEncoder;
    private readonly StableVideoDiffusionUNet _unet;
    private readonly AutoencoderKLTemporalDecoder _vae;
    private readonly JsonElement _schedulerConfig;
    private readonly Lazy<string> _hash;
    private Device _device;

    private StableVideoDiffusionPipeline(
        string source, ClipVisionEncoder imageEncoder, StableVideoDiffusionUNet unet, AutoencoderKLTemporalDecoder vae, JsonElement schedulerConfig, (int Height, int Width) size,
        Placement placement, Func<string> hash)
    {
        Source = source;
        (_imageEncoder, _unet, _vae) = (imageEncoder, unet, vae);
        _schedulerConfig = schedulerConfig;
        _hash = new Lazy<string>(hash);
        _device = placement.Device;
        Scheduler = SchedulerFactory.FromConfig(schedulerConfig);
        DefaultSize = new VideoSize(unet.Config.Frames, size.Height, size.Width);
    }

    public override string Family => "Stable Video Diffusion";

    public override string Source { get; }

    public override string Hash => _hash.Value;

    public override VideoSize DefaultSize { get; }

    public override int SizeMultiple => _vae.SpatialFactor;

    /// <summary>The reference's defaults; a folder can say other steps and another guidance scale.</summary>
    internal override SamplingDefaults DefaultSampling => Sampling;

    private static SamplingDefaults OfficialSampling { get; } =
        new(25, 3) { MinGuidanceScale = 1, FramesPerSecond = 7, MotionBucketId = 127, NoiseAugmentation = 0.02 };

    private SamplingDefaults Sampling { get; init; } = OfficialSampling;

    internal override ImageUse Images => ImageUse.Required;

    /// <summary>d(final latents) / d(prediction) is -0.002 at the last of 25 steps, -0.29 at step 17.</summary>
    internal override bool LastStepIsInert => true;

    internal override nn.Module Denoiser => _unet;

    internal override IScheduler Scheduler { get; }

    internal override Device Device => _device;

    /// <summary>
    /// Frames that the decoder sees as one video, which decides pixels near the borders between such parts; null: all. Default: 8, as the reference's
    /// documentation has it for memory's sake.
    /// </summary>
    internal int? FramesPerDecode { get; set; } = 8;

    internal override ActivationMemory Activations
    {
        get => _unet.Activations;
        set => _unet.Activations = _vae.Activations = value;
    }

    /// <summary>The networks by their folder's name.</summary>
    internal override IReadOnlyDictionary<string, nn.Module> Networks =>
        new Dictionary<string, nn.Module>(StringComparer.Ordinal) { ["unet"] = _unet, ["vae"] = _vae, ["image_encoder"] = _imageEncoder };

    /// <summary>How the family is recognized.</summary>
    internal static ModelFamily Files { get; } = new(
        "Stable Video Diffusion", $"a diffusers folder: {DiffusersFolder.IndexName} with {ClassName}, unet/, vae/, image_encoder/, scheduler/",
        listing => DiffusersFolder.PipelineClass(listing.Path) == ClassName, Check, (path, options, cancellation) => Open(path, options, source: null, cancellation));

    /// <inheritdoc cref="FromFolder"/>
    internal static StableVideoDiffusionPipeline Open(string folder, VideoModelOptions options, string? source = null, CancellationToken cancellation = default) =>
        FromFolder(folder, options.Variant, Placement.OnCpu(options.Precision), source, cancellation);

    /// <summary>Loads a diffusers folder: model_index.json, unet/, vae/, image_encoder/, scheduler/.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="variant">The files' variant, such as "fp16" in diffusion_pytorch_model.fp16.safetensors.</param>
    /// <param name="placement">Where the weights go and how they are stored.</param>
    /// <param name="source">What to call the model; null: the folder.</param>
    /// <param name="cancellation">Ends the reading.</param>
    internal static StableVideoDiffusionPipeline FromFolder(string folder, string? variant, Placement placement, string? source = null, CancellationToken cancellation = default)
    {
        var files = new DiffusersFolder(folder, cancellation);
        (int, int) size = files.Parse(
            index => ((int)ConfigJson.Integer(index, HeightKey, OfficialHeight), (int)ConfigJson.Integer(index, WidthKey, OfficialWidth)), DiffusersFolder.IndexName);
        SamplingDefaults sampling = files.Parse(index => SamplingDefaults.FromIndex(index, OfficialSampling), DiffusersFolder.IndexName);
        JsonElement scheduler = ReadScheduler(files);
        using var parts = new ConstructionScope();
        ClipVisionEncoder imageEncoder = parts.Add(ClipVisionEncoder.FromFolder(files.Component("image_encoder"), placement, variant));
        StableVideoDiffusionUNet unet = parts.Add(LoadUNet(files.Component("unet"), variant, placement));
        AutoencoderKLTemporalDecoder vae = parts.Add(LoadVae(files.Component("vae"), variant, placement));
        return parts.Finish(new StableVideoDiffusionPipeline(
            source ?? folder, imageEncoder, unet, vae, scheduler, size, placement, () => WeightHash.Compute(new DiffusersFolder(folder), variant, "unet", "vae", "image_encoder"))
        {
            Sampling = sampling,
        });
    }

    /// <summary>Reads what is not weights.</summary>
    private static void Check(ModelListing listing, VideoModelOptions options)
    {
        var files = new DiffusersFolder(listing.Path);
        files.Component("unet").Parse(StableVideoDiffusionUNetConfig.FromJson);
        files.Component("vae").Parse(AutoencoderKLConfig.FromJson);
        files.Component("image_encoder").Parse(ClipVisionConfig.FromJson);
        ReadScheduler(files);
        listing.RequireWeights(options.Variant, "unet", "vae", "image_encoder");
    }

    private static JsonElement ReadScheduler(DiffusersFolder files) => files.Component("scheduler").Parse(
        json =>
        {
            SchedulerFactory.FromConfig(json);
            return json;
        },
        "scheduler_config.json");

    /// <summary>A model from networks that are made already; it owns them and has no hash.</summary>
    internal static StableVideoDiffusionPipeline FromNetworks(
        string source, ClipVisionEncoder imageEncoder, StableVideoDiffusionUNet unet, AutoencoderKLTemporalDecoder vae, JsonElement schedulerConfig, (int Height, int Width) size,
        Placement placement) =>
        new(source, imageEncoder, unet, vae, schedulerConfig, size, placement, () => throw new InvalidOperationException("A model made of parts has no hash."));

    internal override VideoDiffusionModel OnMeta() => new StableVideoDiffusionPipeline(
        Source, _imageEncoder, new StableVideoDiffusionUNet(_unet.Config, Placement.ShapesOf(_unet)), new AutoencoderKLTemporalDecoder(_vae.Config, Placement.ShapesOf(_vae)), _schedulerConfig,
        (DefaultSize.Height, DefaultSize.Width), Placement.Meta, () => Hash)
    {
        FramesPerDecode = FramesPerDecode,
        Sampling = Sampling,
    };

    internal override Condition EmptyCondition(int batch, VideoSize size) => new()
    {
        Text = empty([batch, 1, _unet.Config.CrossAttentionWidth[0]], device: META),
        ImageLatents = empty([batch, _unet.Config.InChannels - _unet.Config.OutChannels, size.Height / SizeMultiple, size.Width / SizeMultiple], device: META),
        Scalars = empty([batch, 3], device: META),
        Size = size,
    };

    internal override IScheduler SwapScheduler(string className) => SchedulerFactory.FromConfig(_schedulerConfig, className);

    internal override ISampler CreateSampler(SamplingSettings settings)
    {
        if (settings.Sigmas is not { } sigmas)
        {
            return base.CreateSampler(settings);
        }

        IScheduler scheduler = settings.SamplerName is { } name ? SwapScheduler(name) : Scheduler;
        return scheduler is EulerDiscreteScheduler euler
            ? euler.CreateSampler(sigmas)
            : throw new NotSupportedException($"Noise levels of one's own (sigmas) need {nameof(EulerDiscreteScheduler)}; this run's sampler is {scheduler.Name}.");
    }

    internal override void MoveTo(Device device)
    {
        foreach (nn.Module network in Networks.Values)
        {
            network.to(device);
        }

        _device = device;
    }

    internal override string? SizeFault(VideoSize size) =>
        size.Frames < 1 ? $"{nameof(size.Frames)} must be at least 1, got {size.Frames}; {Family} was trained at {DefaultSize.Frames}." : base.SizeFault(size);

    internal override Condition Encode(VideoRequest request)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor given = request.Images ?? throw new ArgumentException(
            $"{Family} makes a video from an image, and the request has none. Give each row an image, RGB in [0, 1], that the video begins with.", nameof(request));
        Shapes.Require(given, $"{request.Prompts.Count}, 3, H, W", nameof(request.Images));
        Tensor images = FirstFrame.Fit(given.to(Device).to_type(ComputeDtype), request.Size.Height, request.Size.Width);
        Tensor noise = request.Noise(images.shape);
        ActivationMemory memory = images.requires_grad ? Activations : ActivationMemory.Keep;
        Tensor embedding = Recompute.Run(memory, inputs => Embed(inputs[0]), images); // [B, 1, D]
        Tensor latents = Recompute.Run(memory, inputs => Latents(inputs[0], inputs[1], request.NoiseAugmentation), images, noise);
        float[] numbers = [(float)(request.FramesPerSecond - 1), (float)request.MotionBucketId, (float)request.NoiseAugmentation];
        return new Condition
        {
            Text = embedding.MoveToOuterDisposeScope(),
            ImageLatents = latents.MoveToOuterDisposeScope(),
            Scalars = tensor(numbers, device: Device).repeat(images.shape[0], 1).MoveToOuterDisposeScope(),
            Size = request.Size,
        };
    }

    /// <summary>No image: zeros in place of its embedding and its latents, the same numbers.</summary>
    internal override Condition EncodeUnconditional(VideoRequest request, Condition conditional, Func<VideoRequest, Condition>? encode = null) => conditional with
    {
        Text = zeros_like(conditional.Text),
        ImageLatents = zeros_like(conditional.ImageLatents!),
        Scalars = conditional.Scalars!.alias(),
    };

    internal override int CountTruncated(string prompt, int segments) => 0;

    internal override long[] LatentShape(int batch, VideoSize size) =>
        [batch, _unet.Config.OutChannels, size.Frames, size.Height / SizeMultiple, size.Width / SizeMultiple];

    internal override Tensor Predict(Tensor latents, double timestep, Condition condition)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor image = condition.ImageLatents!.unsqueeze(2).expand(-1, -1, latents.shape[2], -1, -1);
        return _unet.Forward(cat([latents, image], dim: 1), timestep, condition.Text, condition.Scalars!).MoveToOuterDisposeScope();
    }

    /// <summary>The decoder looks along time within parts of <see cref="FramesPerDecode"/> frames of one video; parts without a chosen frame are not decoded.</summary>
    internal override Tensor Decode(Tensor latents, int frames, IReadOnlyList<int>? chosen = null)
    {
        using DisposeScope scope = NewDisposeScope();
        int together = FramesPerDecode ?? frames;
        int[] wanted = chosen is null ? [.. Enumerable.Range(0, frames)] : [.. chosen];
        int[] made = [.. wanted.Select(frame => frame / together).Distinct().Order().SelectMany(part => Enumerable.Range(part * together, Math.Min(together, frames - (part * together))))];
        Tensor[] parts = [.. made.GroupBy(frame => frame / together).Select(part => DecodePart(latents.narrow(2, part.First(), part.Count())))];
        Tensor decoded = parts.Length == 1 ? parts[0] : cat(parts, dim: 2);
        if (!made.SequenceEqual(wanted))
        {
            decoded = FrameSelection.Select(decoded, wanted.Select(frame => Array.IndexOf(made, frame)));
        }

        return decoded.MoveToOuterDisposeScope();
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _imageEncoder.Dispose();
            _unet.Dispose();
            _vae.Dispose();
        }

        base.Dispose(disposing);
    }

    private static StableVideoDiffusionUNet LoadUNet(DiffusersFolder files, string? variant, Placement placement) =>
        files.Load(config => new StableVideoDiffusionUNet(StableVideoDiffusionUNetConfig.FromJson(config), placement), variant);

    private static AutoencoderKLTemporalDecoder LoadVae(DiffusersFolder files, string? variant, Placement placement) =>
        files.Load(config => new AutoencoderKLTemporalDecoder(AutoencoderKLConfig.FromJson(config), placement), variant, AutoencoderKL.Keys);

    /// <summary>images: [B, 3, H, W] in [0, 1]; noise: of that shape -> the images in [-1, 1] with noise on them, not cut.</summary>
    internal static Tensor WithNoise(Tensor images, Tensor noise, double strength)
    {
        using DisposeScope scope = NewDisposeScope();
        return images.Mul(2).Sub(1).Add(noise.Mul(strength)).MoveToOuterDisposeScope();
    }

    /// <summary>images: [B, 3, H, W] in [0, 1] -> [B, 1, D]. Stretched to a square; overshoot of the resize is not cut.</summary>
    private Tensor Embed(Tensor images)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor square = BlurredResize.Apply(images, EncoderSide, EncoderSide);
        return _imageEncoder.forward(UnitRange.Standardize(square, ClipPixels.Mean, ClipPixels.Std)).unsqueeze(1).MoveToOuterDisposeScope();
    }

    /// <summary>images: [B, 3, H, W] in [0, 1]; noise: of that shape -> [B, z, h, w]: the encoder's mean, not scaled, of the image with noise on it.</summary>
    private Tensor Latents(Tensor images, Tensor noise, double strength)
    {
        using DisposeScope scope = NewDisposeScope();
        (Tensor mean, Tensor _) = _vae.Encode(WithNoise(images, noise, strength));
        return mean.MoveToOuterDisposeScope();
    }

    /// <summary>One video for the decoder: [B, z, f, h, w] -> [B, 3, f, H, W].</summary>
    private Tensor DecodePart(Tensor latents)
    {
        using DisposeScope scope = NewDisposeScope();
        (long batch, long frames) = (latents.shape[0], latents.shape[2]);
        Tensor rows = latents.permute(0, 2, 1, 3, 4).flatten(0, 1).Div(_vae.ScalingFactor); // [B*f, z, h, w]
        return _vae.Decode(rows, frames).unflatten(0, [batch, frames]).permute(0, 2, 1, 3, 4).MoveToOuterDisposeScope();
    }
}
