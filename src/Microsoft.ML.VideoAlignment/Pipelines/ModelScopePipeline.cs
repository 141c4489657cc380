using System.Text.Json;
using Microsoft.ML.VideoAlignment.Autoencoders;
using Microsoft.ML.VideoAlignment.Denoisers.ModelScope;
using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Schedulers;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Pipelines;

/// <summary>
/// ModelScope text-to-video (damo-vilab/text-to-video-ms-1.7b and every folder of its shape): CLIP text encoder, UNet3DConditionModel, a 2D KL VAE
/// applied frame by frame. Reference: diffusers.TextToVideoSDPipeline.
/// </summary>
internal sealed class ModelScopePipeline : VideoDiffusionModel
{
    /// <summary>The pipeline class named in model_index.json.</summary>
    internal const string ClassName = "TextToVideoSDPipeline";

    /// <summary>An own key of model_index.json (diffusers ignores names with an underscore): the clip length the model was trained at.</summary>
    internal const string FramesKey = "_num_frames";

    /// <summary>ModelScope's own clip length, for folders that do not say theirs.</summary>
    private const int OfficialFrames = 16;

    /// <summary>CLIP's.</summary>
    private const int TextTokens = 77;

    private readonly IPromptEncoder _prompts;
    private readonly ModelScopeUNet _unet;
    private readonly AutoencoderKL _vae;
    private readonly JsonElement _schedulerConfig;
    private readonly Lazy<string> _hash;
    private Device _device;

    private ModelScopePipeline(
        string source, IPromptEncoder prompts, ModelScopeUNet unet, AutoencoderKL vae, JsonElement schedulerConfig, int frames, Placement placement, Func<string> hash)
    {
        Source = source;
        (_prompts, _unet, _vae) = (prompts, unet, vae);
        _schedulerConfig = schedulerConfig;
        _hash = new Lazy<string>(hash);
        _device = placement.Device;
        Scheduler = SchedulerFactory.FromConfig(schedulerConfig);
        DefaultSize = new VideoSize(frames, (int)unet.Config.SampleSize.Height * SizeMultiple, (int)unet.Config.SampleSize.Width * SizeMultiple);
    }

    /// <summary>The text encoder with its tokenizer.</summary>
    internal IPromptEncoder Prompts => _prompts;

    public override string Family => "ModelScope";

    public override string Source { get; }

    public override string Hash => _hash.Value;

    public override VideoSize DefaultSize { get; }

    public override int SizeMultiple => _vae.SpatialFactor;

    /// <summary>diffusers' pipeline: 50 steps by default, 25 in its documentation and in VADER; guidance 9. A folder can say others.</summary>
    internal override SamplingDefaults DefaultSampling => Sampling;

    private static SamplingDefaults OfficialSampling { get; } = new(25, 9);

    private SamplingDefaults Sampling { get; init; } = OfficialSampling;

    internal override nn.Module Denoiser => _unet;

    internal override IScheduler Scheduler { get; }

    internal override Device Device => _device;

    internal override ActivationMemory Activations
    {
        get => _unet.Activations;
        set => _unet.Activations = _vae.Activations = value;
    }

    /// <summary>The networks by their folder's name.</summary>
    internal override IReadOnlyDictionary<string, nn.Module> Networks =>
        new Dictionary<string, nn.Module>(StringComparer.Ordinal) { ["unet"] = _unet, ["vae"] = _vae, ["text_encoder"] = _prompts.Network };

    /// <summary>How the family is recognized.</summary>
    internal static ModelFamily Files { get; } = new(
        "ModelScope", $"a diffusers folder: {DiffusersFolder.IndexName} with {ClassName}, unet/, vae/, text_encoder/, tokenizer/, scheduler/",
        listing => DiffusersFolder.PipelineClass(listing.Path) == ClassName, Check, (path, options, cancellation) => Open(path, options, source: null, cancellation));

    /// <inheritdoc cref="FromFolder"/>
    internal static ModelScopePipeline Open(string folder, VideoModelOptions options, string? source = null, CancellationToken cancellation = default) =>
        FromFolder(folder, options.Variant, Placement.OnCpu(options.Precision), source, cancellation);

    /// <summary>Loads a diffusers folder: model_index.json, unet/, vae/, text_encoder/, tokenizer/, scheduler/.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="variant">The files' variant, such as "fp16" in diffusion_pytorch_model.fp16.safetensors.</param>
    /// <param name="placement">Where the weights go and how they are stored.</param>
    /// <param name="source">What to call the model; null: the folder.</param>
    /// <param name="cancellation">Ends the reading.</param>
    internal static ModelScopePipeline FromFolder(string folder, string? variant, Placement placement, string? source = null, CancellationToken cancellation = default)
    {
        var files = new DiffusersFolder(folder, cancellation);
        int frames = files.Parse(index => (int)ConfigJson.Integer(index, FramesKey, OfficialFrames), DiffusersFolder.IndexName);
        SamplingDefaults sampling = files.Parse(index => SamplingDefaults.FromIndex(index, OfficialSampling), DiffusersFolder.IndexName);
        JsonElement scheduler = ReadScheduler(files);
        using var parts = new ConstructionScope();
        ModelScopePipeline? model = null;
        ClipPromptEncoder prompts = parts.Add(new ClipPromptEncoder(
            ClipTokenizer.FromFolder(files.Component("tokenizer").Location),
            ClipTextEncoder.FromFolder(files.Component("text_encoder"), placement, variant),
            () => model!.Device));
        ModelScopeUNet unet = parts.Add(LoadUNet(files.Component("unet"), variant, placement));
        AutoencoderKL vae = parts.Add(LoadVae(files.Component("vae"), variant, placement));
        model = parts.Finish(new ModelScopePipeline(
            source ?? folder, prompts, unet, vae, scheduler, frames, placement, () => WeightHash.Compute(new DiffusersFolder(folder), variant, "unet", "vae", "text_encoder"))
        {
            Sampling = sampling,
        });
        return model;
    }

    /// <summary>Reads what is not weights.</summary>
    private static void Check(ModelListing listing, VideoModelOptions options)
    {
        var files = new DiffusersFolder(listing.Path);
        files.Component("unet").Parse(ModelScopeUNetConfig.FromJson);
        files.Component("vae").Parse(AutoencoderKLConfig.FromJson);
        files.Component("text_encoder").Parse(ClipTextConfig.FromJson);
        ClipTokenizer.FromFolder(files.Component("tokenizer").Location);
        ReadScheduler(files);
        listing.RequireWeights(options.Variant, "unet", "vae", "text_encoder");
    }

    private static JsonElement ReadScheduler(DiffusersFolder files) => files.Component("scheduler").Parse(
        json =>
        {
            SchedulerFactory.FromConfig(json);
            return json;
        },
        "scheduler_config.json");

    /// <summary>A model from single folders, for cases that come without a whole one.</summary>
    internal static ModelScopePipeline FromParts(
        IPromptEncoder prompts, string unetFolder, string vaeFolder, JsonElement schedulerConfig, Placement placement) => FromNetworks(
            unetFolder, prompts, LoadUNet(new DiffusersFolder(unetFolder), variant: null, placement), LoadVae(new DiffusersFolder(vaeFolder), variant: null, placement),
            schedulerConfig, placement);

    /// <summary>A model from networks that are made already; it owns them and has no hash.</summary>
    internal static ModelScopePipeline FromNetworks(
        string source, IPromptEncoder prompts, ModelScopeUNet unet, AutoencoderKL vae, JsonElement schedulerConfig, Placement placement) =>
        new(source, prompts, unet, vae, schedulerConfig, OfficialFrames, placement, () => throw new InvalidOperationException("A model made of parts has no hash."));

    internal override VideoDiffusionModel OnMeta() => new ModelScopePipeline(
        Source, _prompts, new ModelScopeUNet(_unet.Config, Placement.ShapesOf(_unet)), new AutoencoderKL(_vae.Config, Placement.ShapesOf(_vae)), _schedulerConfig, DefaultSize.Frames,
        Placement.Meta, () => Hash)
    {
        Sampling = Sampling,
    };

    internal override Condition EmptyCondition(int batch, VideoSize size) =>
        new() { Text = empty([batch, TextTokens, _unet.Config.CrossAttentionWidth], device: META), Size = size };

    internal override IScheduler SwapScheduler(string className) => SchedulerFactory.FromConfig(_schedulerConfig, className);

    internal override IPolicyScheduler PolicyScheduler => Scheduler as IPolicyScheduler ?? DdimScheduler.FromConfig(_schedulerConfig);

    internal override void MoveTo(Device device)
    {
        foreach (nn.Module network in Networks.Values)
        {
            network.to(device);
        }

        _device = device;
    }

    internal override Condition Encode(VideoRequest request) => new() { Text = _prompts.Encode(request.Prompts), Size = request.Size };

    internal override int CountTruncated(string prompt, int segments) => _prompts.CountTruncated(prompt);

    internal override long[] LatentShape(int batch, VideoSize size) =>
        [batch, _unet.Config.InChannels, size.Frames, size.Height / SizeMultiple, size.Width / SizeMultiple];

    internal override Tensor Predict(Tensor latents, double timestep, Condition condition) => _unet.Forward(latents, timestep, condition.Text);

    internal override Tensor PredictEach(Tensor latents, IReadOnlyList<double> timesteps, Condition condition)
    {
        using Tensor each = tensor(timesteps.ToArray(), device: latents.device);
        return _unet.Forward(latents, each, condition.Text);
    }

    internal override Tensor Decode(Tensor latents, int frames, IReadOnlyList<int>? chosen = null) => _vae.DecodeFrames(latents, chosen);

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _prompts.Dispose();
            _unet.Dispose();
            _vae.Dispose();
        }

        base.Dispose(disposing);
    }

    private static ModelScopeUNet LoadUNet(DiffusersFolder files, string? variant, Placement placement) =>
        files.Load(config => new ModelScopeUNet(ModelScopeUNetConfig.FromJson(config), placement), variant);

    private static AutoencoderKL LoadVae(DiffusersFolder files, string? variant, Placement placement) =>
        files.Load(config => new AutoencoderKL(AutoencoderKLConfig.FromJson(config), placement), variant, AutoencoderKL.Keys);
}
