using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Schedulers;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment;

/// <summary>
/// A loaded video diffusion model: encoders, denoiser, sampler and video decoder. Its weights are frozen; alignment adds LoRA weights beside them.
/// </summary>
public sealed partial class VideoDiffusionModel : IDisposable
{
    private readonly Lazy<string> _hash;
    private bool _disposed;

    /// <summary>Wraps the parts of a model, which belong to it from now on.</summary>
    /// <param name="parts">The parts.</param>
    internal VideoDiffusionModel(ModelParts parts)
    {
        Parts = parts;
        Device = parts.Device;
        LoadNotes = parts.LoadNotes;
        _hash = new Lazy<string>(parts.Hash);
    }

    /// <summary>The model's family, such as "ModelScope": one of the names in <see cref="VideoModelFamily"/>.</summary>
    public string Family => Parts.Traits.Family;

    /// <summary>Where the weights came from: a folder, or the name of an embedded model.</summary>
    public string Source => Parts.Source;

    /// <summary>SHA-256 over the weights, hexadecimal: what a saved alignment names its base by.</summary>
    public string Hash => _hash.Value;

    /// <summary>Frames, height and width the model was trained at.</summary>
    public VideoSize DefaultSize => Parts.Sizes.Default;

    /// <summary>Height and width must be multiples of this, in pixels.</summary>
    public int SizeMultiple => Parts.Sizes.Multiple;

    /// <summary>What loading left out, a sentence each, such as the averaged weights of a training checkpoint; empty where nothing was.</summary>
    public IReadOnlyList<string> LoadNotes { get; }

    /// <summary>What the model is made of.</summary>
    internal ModelParts Parts { get; }

    /// <summary>The device of every weight.</summary>
    internal Device Device { get; private set; }

    /// <summary>Every network by its name in the model's files.</summary>
    internal IReadOnlyDictionary<string, nn.Module> Networks
    {
        get
        {
            var networks = new Dictionary<string, nn.Module>(StringComparer.Ordinal)
            {
                [Parts.Denoiser.Name] = Denoiser,
                [DecoderName] = Parts.Decoder.Network,
            };
            foreach ((string name, nn.Module network) in Parts.Conditioner.Networks)
            {
                networks.Add(name, network);
            }

            return networks;
        }
    }

    /// <inheritdoc cref="IConditioner.TextEncoders"/>
    internal IReadOnlyList<string> TextEncoders => [.. Parts.Conditioner.TextEncoders];

    /// <summary>What the decoder's network is called among <see cref="Networks"/>.</summary>
    internal const string DecoderName = "vae";

    /// <summary>Sampler steps, guidance scale and the like for those who name none: the model's publisher's.</summary>
    internal SamplingDefaults DefaultSampling => Parts.Sampling;

    /// <summary>The network that LoRA adapts.</summary>
    internal nn.Module Denoiser => Parts.Denoiser.Network;

    /// <summary>The denoiser's names of the layers that LoRA adapts.</summary>
    internal LoraVocabulary LoraVocabulary => Parts.Traits.Lora;

    /// <summary>What the denoiser computes in: noise and images are brought to it.</summary>
    internal ScalarType ComputeDtype => Placement.ComputeDtype(Denoiser.parameters().First().dtype);

    /// <summary>What videos are made from.</summary>
    internal ImageUse Images => Parts.Traits.Images;

    /// <inheritdoc cref="ModelTraits.LastStepIsInert"/>
    internal bool LastStepIsInert => Parts.Traits.LastStepIsInert;

    /// <inheritdoc cref="ModelTraits.TakesNegativePrompt"/>
    internal bool TakesNegativePrompt => Parts.Traits.TakesNegativePrompt;

    /// <inheritdoc cref="ModelTraits.ReopensTextEncoder"/>
    internal bool ReopensTextEncoder => Parts.Traits.ReopensTextEncoder;

    /// <inheritdoc cref="ISamplerFactory.Scheduler"/>
    internal IScheduler Scheduler => Parts.Samplers.Scheduler;

    /// <summary>
    /// The sampler whose steps are Gaussian, made from the folder's scheduler file: DDPO's rollouts, and the forward process of Diffusion-DPO.
    /// </summary>
    /// <exception cref="NotSupportedException">The model's latents follow another process.</exception>
    internal IPolicyScheduler PolicyScheduler => Parts.Samplers.PolicyScheduler ?? throw new NotSupportedException(
        "DDPO, Diffusion-DPO and DRaFT-LV are defined for models whose latents are sqrt(abar) x_0 + sqrt(1 - abar) noise and whose sampler is DDIM; "
        + $"a {Family} model samples with "
        + $"{Scheduler.Name}. Use AlignmentAlgorithm.RewardGradient with another window for it, or a ModelScope or VideoCrafter model.");

    /// <inheritdoc cref="IFrameDecoder.ChunkFrames"/>
    internal int DecoderChunkFrames => Parts.Decoder.ChunkFrames;

    /// <inheritdoc cref="ISamplerFactory.Swap"/>
    internal IScheduler SwapScheduler(string className) => Parts.Samplers.Swap(className);

    /// <inheritdoc cref="ISamplerFactory.CreateSampler"/>
    internal ISampler CreateSampler(SamplingSettings settings) => Parts.Samplers.CreateSampler(settings);

    /// <inheritdoc cref="IFrameConditioning.SamplerFor"/>
    internal ISampler? SamplerFor(SamplingSettings settings, Condition condition) => Parts.Frames?.SamplerFor(settings, condition);

    /// <summary>Encodes a batch: its texts and its images. Carries gradient from <see cref="VideoRequest.Images"/>.</summary>
    /// <param name="request">B prompts and what goes with them.</param>
    /// <returns>B rows.</returns>
    internal Condition Encode(VideoRequest request) => AddImages(EncodeTexts(request), request);

    /// <summary>
    /// Encodes what texts alone decide, row by row (<see cref="EncoderText"/>), which can be kept; of models that read no texts there is nothing to keep.
    /// </summary>
    /// <param name="request">B prompts and what goes with them.</param>
    /// <returns>B rows.</returns>
    internal Condition EncodeTexts(VideoRequest request) => Parts.Conditioner.Encode(request);

    /// <summary>Encodes the rest of a request, which carries gradient where images do.</summary>
    /// <param name="texts">What <see cref="EncodeTexts"/> made of the request.</param>
    /// <param name="request">The request.</param>
    /// <returns>The same condition where there are no images.</returns>
    internal Condition AddImages(Condition texts, VideoRequest request) =>
        Parts.Frames is null ? texts : Parts.Frames.AddImages(texts, request, LatentShape(request.Prompts.Count, request.Size));

    /// <summary>Encodes the branch that guidance leads away from.</summary>
    /// <param name="request">The request.</param>
    /// <param name="conditional">What <see cref="Encode"/> made of it.</param>
    /// <param name="encode">Encodes a text where one is needed; null: <see cref="Encode"/> does.</param>
    internal Condition EncodeUnconditional(VideoRequest request, Condition conditional, Func<VideoRequest, Condition>? encode = null) =>
        Parts.Conditioner.EncodeUnconditional(request, conditional, encode ?? Encode);

    /// <inheritdoc cref="IConditioner.CreateEmpty"/>
    internal Condition EmptyCondition(int batch, VideoSize size) => Parts.Conditioner.CreateEmpty(batch, size);

    /// <inheritdoc cref="IConditioner.EncoderText"/>
    internal string EncoderText(string prompt, int segment, int segments) => Parts.Conditioner.EncoderText(prompt, segment, segments);

    /// <inheritdoc cref="IConditioner.RewardText"/>
    internal string RewardText(string prompt, int segments) => Parts.Conditioner.RewardText(prompt, segments);

    /// <inheritdoc cref="IConditioner.CountTruncated"/>
    internal int CountTruncated(string prompt, int segments) => Parts.Conditioner.CountTruncated(prompt, segments);

    /// <inheritdoc cref="IConditioner.Release"/>
    internal void ReleaseTextEncoder() => Parts.Conditioner.Release();

    /// <inheritdoc cref="IFrameConditioning.ImagesNamed"/>
    internal IReadOnlyList<string> ImagesNamed(string prompt) => Parts.Frames?.ImagesNamed(prompt) ?? [];

    /// <inheritdoc cref="IFrameConditioning.RequireImages"/>
    internal void RequireImages(string prompt, int images, int segments) => Parts.Frames?.RequireImages(prompt, images, segments);

    /// <inheritdoc cref="IFrameConditioning.Begin"/>
    internal Tensor Begin(Tensor noise, Condition condition) => Parts.Frames?.Begin(noise, condition) ?? noise.alias();

    /// <inheritdoc cref="IFrameConditioning.Finish"/>
    internal Tensor Finish(Tensor latents, Condition condition) => Parts.Frames?.Finish(latents, condition) ?? latents.alias();

    /// <summary>Tells whether a guidance scale calls for the unconditional branch.</summary>
    /// <param name="scale">The guidance scale.</param>
    internal bool GuidanceActs(double scale) => Parts.Traits.GuidesBelowOne ? scale != 1 : scale > 1;

    /// <inheritdoc cref="IDenoiser.LatentShape"/>
    internal long[] LatentShape(int batch, VideoSize size) => Parts.Denoiser.LatentShape(batch, size);

    /// <inheritdoc cref="IVideoSizes.Fault"/>
    internal string? SizeFault(VideoSize size) => Parts.Sizes.Fault(size);

    /// <inheritdoc cref="IVideoSizes.Output"/>
    internal VideoSize OutputSize(VideoSize size) => Parts.Sizes.Output(size);

    /// <inheritdoc cref="IDenoiser.ExpertAt"/>
    internal int ExpertAt(double timestep) => Parts.Denoiser.ExpertAt(timestep);

    /// <inheritdoc cref="IDenoiser.Predict"/>
    internal Tensor Predict(Tensor latents, double timestep, Condition condition) =>
        PrecisionPolicy.Run(NetworkRole.Denoiser, () => Parts.Denoiser.Predict(latents, timestep, condition));

    /// <inheritdoc cref="IDenoiser.PredictEach"/>
    internal Tensor PredictEach(Tensor latents, IReadOnlyList<double> timesteps, Condition condition) =>
        PrecisionPolicy.Run(NetworkRole.Denoiser, () => Parts.Denoiser.PredictEach(latents, timesteps, condition));

    /// <inheritdoc cref="IFrameDecoder.Decode"/>
    internal Tensor Decode(Tensor latents, int frames, IReadOnlyList<int>? chosen = null) =>
        PrecisionPolicy.Run(NetworkRole.Decoder, () => Parts.Decoder.Decode(latents, frames, chosen));

    /// <inheritdoc cref="IFrameDecoder.DecodeAlone"/>
    internal Tensor DecodeAlone(Tensor latents, IReadOnlyList<int> chosen) =>
        PrecisionPolicy.Run(NetworkRole.Decoder, () => Parts.Decoder.DecodeAlone(latents, chosen));

    /// <summary>
    /// Makes a model of the same denoiser and decoder that has shapes and no memory (<see cref="MetaOps"/>). It is not to be disposed and encodes nothing.
    /// </summary>
    internal VideoDiffusionModel ToMeta() => new(Parts.OnMeta() with { Hash = () => Hash });

    /// <summary>Moves all networks.</summary>
    /// <param name="device">Where to.</param>
    internal void MoveTo(Device device)
    {
        Parts.Denoiser.MoveTo(device);
        Parts.Decoder.MoveTo(device);
        Parts.Conditioner.MoveTo(device);
        Device = device;
    }

    /// <summary>Throws where the model has been disposed: its networks are gone.</summary>
    /// <exception cref="ObjectDisposedException">It has been.</exception>
    internal void RequireAlive()
    {
        if (_disposed)
        {
            throw new ObjectDisposedException(
                nameof(VideoDiffusionModel),
                $"The {Family} model '{Source}' has been disposed. Dispose a model after everything that uses it: estimators, and the transformers that "
                    + "they fitted; load it again to use it again.");
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _disposed = true;
        Parts.Dispose();
    }
}
