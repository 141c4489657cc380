using Microsoft.ML.VideoAlignment.Pipelines;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment;

/// <summary>
/// A loaded text-to-video diffusion model: text encoder, denoiser, sampler and video decoder. Weights are frozen; alignment adds LoRA beside them.
/// </summary>
public abstract class VideoDiffusionModel : IDisposable
{
    private bool _disposed;

    /// <summary>The model family, such as "ModelScope".</summary>
    public abstract string Family { get; }

    /// <summary>Where the weights came from: a folder, or the name of an embedded model.</summary>
    public abstract string Source { get; }

    /// <summary>SHA-256 over the weights, hexadecimal: what a saved alignment names its base by.</summary>
    public abstract string Hash { get; }

    /// <summary>Frames, height and width the model was trained at.</summary>
    public abstract VideoSize DefaultSize { get; }

    /// <summary>Height and width must be multiples of this, in pixels.</summary>
    public abstract int SizeMultiple { get; }

    /// <summary>What loading left out, a sentence each, such as the averaged weights of a training checkpoint; empty: nothing.</summary>
    public IReadOnlyList<string> LoadNotes { get; internal set; } = [];

    /// <summary>The model of the hub that the files are, and its commit; null: they were named by their path.</summary>
    internal (string Id, string Commit)? HubOrigin { get; set; }

    /// <summary>How its files were read, for whoever has to read them again.</summary>
    internal VideoModelOptions LoadedWith { get; set; } = new();

    /// <summary>What the blocks of denoiser and decoder keep for the backward pass of gradient steps.</summary>
    internal abstract ActivationMemory Activations { get; set; }

    /// <summary>Whether those blocks keep their inputs alone and run again.</summary>
    internal bool RecomputeBlocks
    {
        get => Activations != ActivationMemory.Keep;
        set => Activations = value ? ActivationMemory.Recompute : ActivationMemory.Keep;
    }

    /// <summary>
    /// Whether a gradient step keeps the denoiser's input alone, and runs the whole denoiser again, whose blocks then follow <see cref="Activations"/>.
    /// </summary>
    internal bool RecomputeSteps { get; set; }

    /// <summary>Every network by its name in the model's files.</summary>
    internal abstract IReadOnlyDictionary<string, nn.Module> Networks { get; }

    /// <summary>Sampler steps, guidance scale and the like for those who name none: the model's publisher's.</summary>
    internal abstract SamplingDefaults DefaultSampling { get; }

    /// <summary>The network that LoRA adapts.</summary>
    internal abstract nn.Module Denoiser { get; }

    /// <summary>The folder's sampler.</summary>
    internal abstract Schedulers.IScheduler Scheduler { get; }

    /// <summary>Another sampler made from the folder's scheduler file; unknown names are an error that lists the known ones.</summary>
    internal abstract Schedulers.IScheduler SwapScheduler(string className);

    /// <summary>
    /// The sampler whose steps are Gaussian, made from the folder's scheduler file: DDPO's rollouts, and the forward process of Diffusion-DPO.
    /// </summary>
    /// <exception cref="NotSupportedException">The model's latents follow another process.</exception>
    internal virtual Schedulers.IPolicyScheduler PolicyScheduler => Scheduler as Schedulers.IPolicyScheduler ?? throw new NotSupportedException(
        $"DDPO, Diffusion-DPO and DRaFT-LV are defined for models whose latents are sqrt(abar) x_0 + sqrt(1 - abar) noise and whose sampler is DDIM; a {Family} model samples with "
        + $"{Scheduler.Name}. Use AlignmentAlgorithm.RewardGradient with another window for it, or a ModelScope or VideoCrafter model.");

    /// <summary>The device of every weight.</summary>
    internal abstract Device Device { get; }

    /// <summary>What the denoiser computes in: noise and images are brought to it.</summary>
    internal ScalarType ComputeDtype => Tensors.Placement.Computing(Denoiser.parameters().First().dtype);

    /// <summary>Moves all networks.</summary>
    internal abstract void MoveTo(Device device);

    /// <summary>Whether videos are made from images.</summary>
    internal virtual ImageUse Images => ImageUse.None;

    /// <summary>Whether the last sampler steps hardly move the video, so that a gradient window should not be made of them.</summary>
    internal virtual bool LastStepIsInert => false;

    /// <summary>The tables of one run of the sampler that the settings ask for.</summary>
    internal virtual Schedulers.ISampler CreateSampler(SamplingSettings settings) =>
        (settings.SamplerName is null ? Scheduler : SwapScheduler(settings.SamplerName)).CreateSampler(settings.Steps, settings.Eta);

    /// <summary>
    /// The sampler of a clip whose condition asks for one of its own, made from the settings; null: any clip's will do.
    /// </summary>
    internal virtual Schedulers.ISampler? SamplerFor(SamplingSettings settings, Condition condition) => null;

    /// <summary>What the denoiser is told of a batch. The empty prompt is a prompt like any other. Carries gradient from <see cref="VideoRequest.Images"/>.</summary>
    internal abstract Condition Encode(VideoRequest request);

    /// <summary>
    /// Of <see cref="Encode"/> what texts alone decide, row by row (<see cref="TextRead"/>), and can be kept; of models that read no texts there is nothing to keep.
    /// </summary>
    internal virtual Condition EncodeTexts(VideoRequest request) => Encode(request);

    /// <summary>The rest of <see cref="Encode"/>, which carries gradient where images do: the texts' condition with what the request's images give.</summary>
    internal virtual Condition AddImages(Condition texts, VideoRequest request) => texts;

    /// <summary>What the text encoder reads of a prompt for clip <paramref name="segment"/> of a video of <paramref name="segments"/>.</summary>
    internal virtual string TextRead(string prompt, int segment, int segments) => prompt;

    /// <summary>Paths of the images that a prompt names, as they are written.</summary>
    /// <exception cref="FormatException">The prompt's notation is wrong.</exception>
    internal virtual IReadOnlyList<string> ImagesNamed(string prompt) => [];

    /// <summary>Checks that what a prompt says of its images can be done for a video of <paramref name="segments"/> clips.</summary>
    /// <param name="prompt">The prompt.</param>
    /// <param name="images">How many images there are.</param>
    /// <param name="segments">Clips of the video.</param>
    /// <exception cref="FormatException">It cannot.</exception>
    internal virtual void RequireImages(string prompt, int images, int segments)
    {
    }

    /// <summary>x_0 of a clip: noise [B, c, T, h, w], already scaled, with what the condition gives in place.</summary>
    internal virtual Tensor Begin(Tensor noise, Condition condition) => noise.alias();

    /// <summary>The clip's latents after the last step; what the condition gives has its graph, whichever steps were graded.</summary>
    internal virtual Tensor Finish(Tensor latents, Condition condition) => latents.alias();

    /// <summary>
    /// The same of the branch that guidance leads away from. <paramref name="conditional"/>: what <see cref="Encode"/> made of the request;
    /// <paramref name="encode"/>: how a text that it needs is encoded, null: by <see cref="Encode"/>.
    /// </summary>
    internal virtual Condition EncodeUnconditional(VideoRequest request, Condition conditional, Func<VideoRequest, Condition>? encode = null) =>
        (encode ?? Encode)(request with { Prompts = [.. request.Prompts.Select(_ => request.NegativePrompt)] });

    /// <summary>Whether the text encoder is opened when a text needs it, so that <see cref="ReleaseTextEncoder"/> costs no more than opening it again.</summary>
    internal virtual bool TextEncoderReopens => false;

    /// <summary>Frees the text encoder's weights until a text needs them again, where they can be reopened.</summary>
    internal virtual void ReleaseTextEncoder()
    {
    }

    /// <summary>Whether guidance can lead away from a text of the user's.</summary>
    internal virtual bool TakesNegativePrompt => Images != ImageUse.Required;

    /// <summary>What a reward reads of a video's prompt: the prompt, without what is written for the model alone.</summary>
    internal virtual string RewardText(string prompt, int segments) => prompt;

    /// <summary>Whether a guidance scale calls for the unconditional branch; above 1 in diffusers.</summary>
    internal virtual bool GuidanceActs(double scale) => scale > 1;

    /// <summary>How many tokens of a video's prompt are cut because they do not fit; of a prompt with texts for several clips, the most of any.</summary>
    internal abstract int CountTruncated(string prompt, int segments);

    /// <summary>Shape of the latents of a batch: [B, c, T, h, w].</summary>
    internal abstract long[] LatentShape(int batch, VideoSize size);

    /// <summary>What keeps the model from making videos of this size, with the nearest it can; null: nothing.</summary>
    internal virtual string? SizeFault(VideoSize size)
    {
        string[] faults = [.. new[] { (size.Height, nameof(size.Height)), (size.Width, nameof(size.Width)) }
            .Where(side => side.Item1 % SizeMultiple != 0)
            .Select(side => $"{side.Item2} must be a multiple of {SizeMultiple} for a {Family} model, got {side.Item1}; "
                + $"try {Math.Max(SizeMultiple, side.Item1 / SizeMultiple * SizeMultiple)}.")];
        return faults.Length == 0 ? null : string.Join(' ', faults);
    }

    /// <summary>The size of the frames that <see cref="Decode"/> gives when this size is asked for.</summary>
    internal virtual VideoSize OutputSize(VideoSize size) => size;

    /// <summary>(x_t [B, c, T, h, w], t, condition) -> prediction [B, c, T, h, w].</summary>
    internal abstract Tensor Predict(Tensor latents, double timestep, Condition condition);

    /// <summary>As <see cref="Predict"/>, where each of the B samples is at a timestep of its own.</summary>
    internal virtual Tensor PredictEach(Tensor latents, IReadOnlyList<double> timesteps, Condition condition)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor[] rows = [.. timesteps.Select((timestep, row) => Predict(latents.narrow(0, row, 1), timestep, condition.Rows(row)))];
        return cat(rows).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// Latents [B, c, T, h, w] of a video of <paramref name="frames"/> frames -> decoder output [B, 3, f, H, W], about [-1, 1], not clamped, of the
    /// <paramref name="chosen"/> frames; null: all. A frame is the same whichever others are asked for: a decoder that looks at neighbors decodes them
    /// too and leaves them out.
    /// </summary>
    internal abstract Tensor Decode(Tensor latents, int frames, IReadOnlyList<int>? chosen = null);

    /// <summary>
    /// One image for each of the chosen latent frames, decoded as if it were a video of its own: [B, c, T', h, w] -> [B, 3, f, H, W]. Where frames are decoded
    /// one by one anyway it is what <see cref="Decode"/> gives.
    /// </summary>
    internal virtual Tensor DecodeAlone(Tensor latents, IReadOnlyList<int> chosen) => Decode(latents, (int)latents.shape[2], chosen);

    /// <summary>How many frames of a finished video are decoded at a time: bounds the decoder's memory.</summary>
    internal virtual int FramesDecodedTogether => 8;

    /// <summary>
    /// A model of the same denoiser and decoder that has shapes and no memory (<see cref="MetaOps"/>). Encoders are this model's own: it is not to be disposed
    /// and encodes nothing.
    /// </summary>
    internal virtual VideoDiffusionModel OnMeta() => throw new NotSupportedException($"The memory of a {Family} model cannot be estimated.");

    /// <summary>A condition of a batch that has shapes and no numbers, each text as long as the network takes it.</summary>
    internal virtual Condition EmptyCondition(int batch, VideoSize size) => throw new NotSupportedException($"The memory of a {Family} model cannot be estimated.");

    /// <summary>Loads a model from the files that its publisher gives out; the family is recognized from them.</summary>
    /// <param name="path">The model's folder or file, or its id of the hub ("owner/name"); see the README for what each family looks like.</param>
    /// <param name="options">How weights are read and held; null: the defaults.</param>
    /// <param name="cancellationToken">Ends the download or the reading; what was downloaded stays, for the next call to go on with.</param>
    /// <exception cref="DirectoryNotFoundException">There is nothing at this path.</exception>
    /// <exception cref="NotSupportedException">What is there is no model of a known family; the message lists what was looked for.</exception>
    /// <exception cref="WeightFileException">A weight file is missing, damaged, or of another model.</exception>
    /// <exception cref="ModelDownloadException">A model of the hub is not in the cache and cannot be fetched.</exception>
    /// <exception cref="OperationCanceledException">The token was canceled.</exception>
    public static VideoDiffusionModel FromPretrained(string path, VideoModelOptions? options = null, CancellationToken cancellationToken = default) =>
        ModelFamily.Open(path, options ?? new VideoModelOptions(), cancellationToken);

    /// <summary>As <see cref="FromPretrained"/>, without a thread that waits: downloads are asynchronous, weights are read in a thread of the pool.</summary>
    /// <inheritdoc cref="FromPretrained"/>
    public static Task<VideoDiffusionModel> FromPretrainedAsync(string path, VideoModelOptions? options = null, CancellationToken cancellationToken = default) =>
        ModelFamily.OpenAsync(path, options ?? new VideoModelOptions(), cancellationToken);

    /// <summary>
    /// The tiny text-to-video model that comes with this library: 8 frames of 32 x 32 pixels of moving shapes, in ModelScope's form, trained by the
    /// program under build/. Prompts are like "a red circle moving right on a dark background".
    /// </summary>
    public static VideoDiffusionModel MovingShapes() => ModelScopePipeline.Open(EmbeddedModels.Find("text-to-video"), new VideoModelOptions(), MovingShapesSource);

    /// <summary>
    /// The tiny image-to-video model that comes with this library, in the form of Stable Video Diffusion: from an image of 32 x 32 pixels with one shape on it,
    /// 8 frames in which something of its color moves on its background. The motion bucket says how fast (127, the default: 14 pixels in a video at 7 frames a
    /// second; 0: it stays), chance says which way. Outlines are not kept: a shape blurs within a few frames (figures in MovingShapes/image-to-video/report.txt).
    /// </summary>
    public static VideoDiffusionModel MovingShapesImageToVideo() =>
        StableVideoDiffusionPipeline.Open(EmbeddedModels.Find("image-to-video"), new VideoModelOptions(), MovingShapesImageToVideoSource);

    /// <summary>
    /// A small model of a family with random weights and no files: for gradient checks, tests and learning the API. Its videos are gray noise. Weights and text
    /// states are a function of <paramref name="seed"/>. An alignment of it can be used and cannot be saved, since there is nothing to load its base from.
    /// </summary>
    /// <param name="family">Whose blocks, sampler and decoder it has.</param>
    /// <param name="size">How large.</param>
    /// <param name="seed">Of the weights.</param>
    public static VideoDiffusionModel Untrained(VideoModelFamily family, UntrainedSize size = UntrainedSize.Tiny, int seed = 1) => UntrainedModel.Make(family, size, seed);

    /// <summary>What <see cref="Source"/> says of the embedded models.</summary>
    internal const string MovingShapesSource = "MovingShapes", MovingShapesImageToVideoSource = "MovingShapesImageToVideo";

    /// <summary>Throws where the model has been disposed: its networks are gone.</summary>
    /// <exception cref="ObjectDisposedException">It has been.</exception>
    internal void RequireAlive()
    {
        if (_disposed)
        {
            throw new ObjectDisposedException(
                GetType().Name,
                $"The {Family} model '{Source}' has been disposed. Dispose a model after everything that uses it: estimators, and the transformers that "
                    + "they fitted; load it again to use it again.");
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _disposed = true;
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees the networks.</summary>
    protected virtual void Dispose(bool disposing)
    {
    }
}

/// <summary>Frames, height and width of a video, in frames and pixels.</summary>
public readonly record struct VideoSize(int Frames, int Height, int Width);
