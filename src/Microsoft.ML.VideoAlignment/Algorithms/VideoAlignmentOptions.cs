using System.Runtime.CompilerServices;
using Microsoft.ML.VideoAlignment.Files;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Schedulers;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment;

/// <summary>
/// How a video diffusion model is aligned, and how videos are then generated. The defaults are those of the released VADER code
/// (arXiv 2407.08737, github.com/mihirp1998/VADER at adaf2ef) unless a property says otherwise.
/// </summary>
public sealed record VideoAlignmentOptions
{
    /// <summary>Frames of a video, at least 1; null (default): as many as the model was trained with.</summary>
    public int? Frames { get; init; }

    /// <summary>
    /// Height in pixels, a multiple of the model's <see cref="VideoDiffusionModel.SizeMultiple"/>; null (default): the height the model was trained at.
    /// </summary>
    public int? Height { get; init; }

    /// <summary>
    /// Width in pixels, a multiple of the model's <see cref="VideoDiffusionModel.SizeMultiple"/>; null (default): the width the model was trained at.
    /// </summary>
    public int? Width { get; init; }

    /// <summary>
    /// Denoising steps T, from 1 to the length of the model's noise schedule; null (default): the model's usual number, 25 for ModelScope and VideoCrafter
    /// (VADER's scripts). VideoCrafter's sampler takes more steps where T does not divide that length, and refuses a T that it cannot take.
    /// </summary>
    public int? InferenceSteps { get; init; }

    /// <summary>
    /// Classifier-free guidance g in e = e(negative) + g (e(prompt) - e(negative)), finite; 1 or less (VideoCrafter: exactly 1) means no guidance and halves
    /// the work. Null (default): the model's usual value, 9 for ModelScope, 12 for VideoCrafter (VADER's scripts).
    /// </summary>
    public double? GuidanceScale { get; init; }

    /// <summary>
    /// Noise added in each step, from 0 (deterministic, DDIM) to 1 (as much as DDPM); null (default): the model's usual value, 0 for ModelScope, 1 for
    /// VideoCrafter (VADER's scripts). Samplers without it ignore it, and the log says so.
    /// </summary>
    public double? Eta { get; init; }

    /// <summary>
    /// The guidance scale of the first frame, from which it grows linearly to <see cref="GuidanceScale"/> at the last, finite; null (default): the model's
    /// usual value, 1 for Stable Video Diffusion, and one scale for all frames elsewhere.
    /// </summary>
    public double? MinGuidanceScale { get; init; }

    /// <summary>
    /// Frames per second, an input of the model, above 0; null (default): the model's usual number, 24 for VideoCrafter (VADER's script). ModelScope does not
    /// have this input.
    /// </summary>
    public double? FramesPerSecond { get; init; }

    /// <summary>Amount of motion, an input of Stable Video Diffusion, from 1 to 255; null (default): 127. Other models do not have it.</summary>
    public double? MotionBucketId { get; init; }

    /// <summary>
    /// Standard deviation of the noise that Stable Video Diffusion adds to the image (range [-1, 1]) before encoding it, at least 0; null (default): 0.02.
    /// </summary>
    public double? NoiseAugmentation { get; init; }

    /// <summary>
    /// Segments of a video, at least 1; 1 by default. Each further segment begins with the last frame of the one before, so a video has this times
    /// <see cref="Frames"/> frames (VADER, section 5: 3).
    /// </summary>
    /// <remarks>
    /// Above 1 only for models that can begin with an image: Stable Video Diffusion and Open-Sora. An Open-Sora prompt may have a text for each segment,
    /// <c>|0| a sunny day |2| a rainy day</c>, counted from 0.
    /// </remarks>
    public int SegmentCount { get; init; } = 1;

    /// <summary>
    /// Whether the frame with which a segment begins carries gradient in training, so that the reward of a later segment reaches the denoising steps of earlier
    /// ones; false by default: gradient stays inside a segment.
    /// </summary>
    public bool CarryGradientAcrossSegments { get; init; }

    /// <summary>
    /// The sampler, made from the model's noise schedule: a class name of diffusers such as "DDIMScheduler" or "DPMSolverMultistepScheduler"; null (default):
    /// the model's own.
    /// </summary>
    public string? Sampler { get; init; }

    /// <summary>
    /// The negative prompt of guidance; empty by default, as in VADER. Where <see cref="GuidanceScale"/> switches guidance off it has no effect, and the log
    /// says so.
    /// </summary>
    public string NegativePrompt { get; init; } = "";

    /// <summary>Rank r of the LoRA matrices, at least 1; 16 by default (VADER's training scripts).</summary>
    public int LoraRank { get; init; } = 16;

    /// <summary>LoRA's alpha: adapters are scaled by alpha / r. Above 0; 8 by default (peft's default, which VADER leaves).</summary>
    public double LoraAlpha { get; init; } = 8;

    /// <summary>Which layers get adapters; <see cref="VideoAlignment.LoraLayers.All"/> by default (VADER's ModelScope script).</summary>
    public LoraLayers LoraLayers { get; init; }

    /// <summary>
    /// A regular expression over the denoiser's layer names that chooses layers instead of <see cref="LoraLayers"/>, such as ".*attn2\.to_(k|v)"; null
    /// (default): none. It must match whole names, and a pattern that matches nothing is an error.
    /// </summary>
    public string? LoraPattern { get; init; }

    /// <summary>
    /// Where the gradient comes from: by default the reward's own (<see cref="AlignmentAlgorithm.RewardGradient"/>, VADER), to which <see
    /// cref="GradientSteps"/>, <see cref="GradientWindow"/>, <see cref="FramesPerDecode"/>, <see cref="CarryGradientAcrossSegments"/> and <see
    /// cref="KlWeight"/> belong. <see cref="AlignmentAlgorithm.Ddpo"/> and <see cref="AlignmentAlgorithm.DiffusionDpo"/> take rewards without gradient, and
    /// only videos of one segment.
    /// </summary>
    public AlignmentAlgorithm Algorithm { get; init; } = AlignmentAlgorithm.RewardGradient;

    /// <summary>
    /// K: how many of the last denoising steps carry gradient, from 1 to <see cref="InferenceSteps"/>; 1 by default (VADER). Memory and time of a training step
    /// grow with K, not with the other steps.
    /// </summary>
    /// <remarks>For Stable Video Diffusion, whose last steps are nearly inert, it is the K steps that move the video most.</remarks>
    public int GradientSteps { get; init; } = 1;

    /// <summary>Another choice of gradient steps; null (default): the last <see cref="GradientSteps"/>.</summary>
    public GradientWindow? GradientWindow { get; init; }

    /// <summary>
    /// Which frames of a training or validation video are decoded and scored; null (default): one drawn at random for rewards that are means over frames
    /// (VADER), all frames for others, and for algorithms that learn from scores alone.
    /// </summary>
    public RewardFrames? RewardFrames { get; init; }

    /// <summary>
    /// Whether the reward is shown latent frames, each decoded as if it were a video of its own, instead of frames of the video; false by default.
    /// <see cref="RewardFrames"/> then counts latent frames.
    /// </summary>
    /// <remarks>
    /// It is cheaper where a latent frame stands for several frames and chunks are decoded whole (Open-Sora; VADER trains it so), but the decoder does not see
    /// the frames before.
    /// </remarks>
    public bool RewardLatentFrames { get; init; }

    /// <summary>
    /// How many of the scored frames are decoded together with a graph, at least 1; null (default): all of them. A smaller number limits the decoder's memory
    /// to that many frames at the cost of one more decode; the gradient is the same.
    /// </summary>
    public int? FramesPerDecode { get; init; }

    /// <summary>
    /// The loss of the scores; null (default): their negative mean, or their mean for rewards of which less is better. VADER's aesthetic loss,
    /// 0.1 * mean |score - 10|, is <see cref="RewardLoss.Aesthetic"/>.
    /// </summary>
    public RewardLoss? Loss { get; init; }

    /// <summary>AdamW's learning rate, above 0; 2e-4 by default (VADER).</summary>
    public double LearningRate { get; init; } = 2e-4;

    /// <summary>AdamW's decoupled weight decay, at least 0; 0.01 by default (torch's default, which VADER's VideoCrafter script leaves).</summary>
    public double WeightDecay { get; init; } = 0.01;

    /// <summary>AdamW's decay of the first moment, in [0, 1); 0.9 by default.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>AdamW's decay of the second moment, in [0, 1); 0.999 by default.</summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>AdamW's epsilon, above 0; 1e-8 by default.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>The precision of AdamW's moments; float32 by default. <see cref="OptimizerState.EightBit"/> takes a quarter of their memory.</summary>
    public OptimizerState OptimizerState { get; init; }

    /// <summary>The L2 norm to which the gradient over all LoRA weights is clipped, above 0; infinity switches clipping off. 1 by default (VADER).</summary>
    public double MaxGradientNorm { get; init; } = 1;

    /// <summary>Videos generated together in one pass, at least 1; 1 by default (VADER).</summary>
    public int BatchSize { get; init; } = 1;

    /// <summary>Passes whose mean gradient makes one optimizer step, at least 1; 1 by default. VADER's scripts use 4 to 16.</summary>
    public int AccumulationSteps { get; init; } = 1;

    /// <summary>
    /// Optimizer steps, at least 1; 100 by default (the length of the paper's comparisons). Reward queries are Steps x AccumulationSteps x BatchSize.
    /// </summary>
    public int Steps { get; init; } = 100;

    /// <summary>
    /// Which activations of gradient steps are recomputed in the backward pass instead of being kept; the gradient is the same.
    /// <see cref="ActivationRecompute.Blocks"/> by default, as in VADER: about a third more work there, and much less memory.
    /// </summary>
    public ActivationRecompute Recompute { get; init; } = ActivationRecompute.Blocks;

    /// <summary>
    /// Whether the inputs that recomputed blocks keep are moved to the CPU's memory until the backward pass; false by default. It needs
    /// <see cref="Recompute"/>, and has no effect on the CPU.
    /// </summary>
    public bool OffloadActivations { get; init; }

    /// <summary>
    /// Whether text encoder, decoder and reward are moved to the CPU's memory while a GPU denoises; false by default. It has no effect for videos of several
    /// segments, for algorithms that learn from scores alone, and on the CPU.
    /// </summary>
    public bool OffloadIdleNetworks { get; init; }

    /// <summary>
    /// Memory budget of training in bytes, at least 1; null (default): unlimited. With a budget, <c>Fit</c> finds a <see cref="MemoryPlan"/> for the device it
    /// runs on, writes it to the log, and follows it.
    /// </summary>
    /// <remarks>
    /// The budget covers what <see cref="MemoryEstimate.Peak"/> covers: networks of model and reward, LoRA and its optimizer, activations, and on the CPU the
    /// runtime. <see cref="Recompute"/> and <see cref="OffloadActivations"/> are then the plan's.
    /// </remarks>
    public long? MemoryBudget { get; init; }

    /// <summary>
    /// Validation prompts: prompts that are never trained on, whose mean reward is measured during training, in the reward's own units; none by default. Noise
    /// and drawn <see cref="RewardFrames"/> are a function of the seed and a prompt's place in the list, whatever <see cref="BatchSize"/> is.
    /// </summary>
    public IReadOnlyList<string> HeldOutPrompts { get; init; } = [];

    /// <summary>
    /// More validation rows, a table with the columns that <c>Fit</c> reads: for models that make videos from images; null (default): none.
    /// </summary>
    public IDataView? HeldOutData { get; init; }

    /// <summary>Optimizer steps between two validations, at least 1; 10 by default.</summary>
    public int HeldOutEvery { get; init; } = 10;

    /// <summary>
    /// Whether <c>Fit</c> returns the weights that did best in validation instead of the last ones; false by default. Needs <see cref="HeldOutPrompts"/> or
    /// <see cref="HeldOutData"/>.
    /// </summary>
    public bool KeepBest { get; init; }

    /// <summary>
    /// Validations in a row without improvement after which training ends, at least 1; null (default): training runs for all <see cref="Steps"/>. For rewards
    /// that keep rising in training but no longer in validation.
    /// </summary>
    public int? EarlyStopPatience { get; init; }

    /// <summary>
    /// Decay of an exponential moving average of the LoRA weights, in [0, 1); null (default): none, as in VADER. The average is what is validated, kept and
    /// returned.
    /// </summary>
    /// <remarks>After step t the decay is at most (1 + t) / (10 + t), as in diffusers' EMAModel.</remarks>
    public double? EmaDecay { get; init; }

    /// <summary>
    /// Weight of a penalty on leaving the base model, at least 0; 0 by default, as in VADER. It costs one more denoiser evaluation per gradient step, and is
    /// not for videos of several segments.
    /// </summary>
    /// <remarks>
    /// The penalty is the mean over gradient steps of mean (e_aligned - e_base)^2, which is the KL divergence of the two denoising steps up to a factor of the
    /// step (DPOK, arXiv 2305.16381, section 4.2).
    /// </remarks>
    public double KlWeight { get; init; }

    /// <summary>
    /// A folder for the LoRA weights of every <see cref="CheckpointEvery"/> steps, <c>step-N.safetensors</c> in diffusers' form, each written completely or not
    /// at all; null (default): none. <c>GenerateVideo</c> reads these files, and mixes several.
    /// </summary>
    /// <remarks>The folder is tested before the first step, and also receives the weights of a run that fails.</remarks>
    public string? CheckpointFolder { get; init; }

    /// <summary>Optimizer steps between two files in <see cref="CheckpointFolder"/>, at least 1; 10 by default.</summary>
    public int CheckpointEvery { get; init; } = 10;

    /// <summary>
    /// A folder for the state of the run, from which <c>Fit</c> with the same folder and options resumes after a cancellation, a failure, a crash or a power
    /// failure; null (default): none. The weights are then, bit for bit, those of a run that was never interrupted.
    /// </summary>
    /// <remarks>
    /// A folder is for one run, and for one process at a time. <c>Fit</c> writes to the log what has changed since the state was made, and refuses what could
    /// not be continued. More <see cref="Steps"/> continue a finished run. The library's rewards save what they remember there; a reward of your own must score
    /// by its arguments alone.
    /// </remarks>
    public string? RunFolder { get; init; }

    /// <summary>
    /// Optimizer steps between two states in <see cref="RunFolder"/>, at least 1; 10 by default. Canceled and finished runs always leave one.
    /// </summary>
    public int StateEvery { get; init; } = 10;

    /// <summary>The seed of everything random, training and generation; null (default): the seed of the <see cref="MLContext"/>.</summary>
    public int? Seed { get; init; }

    /// <summary>
    /// An Int32 or Int64 column that distinguishes rows with the same prompt; null (default): none. A video is a function of <see cref="Seed"/>, the prompt and
    /// this column, so without it equal prompts give equal videos.
    /// </summary>
    public string? SeedColumnName { get; init; }

    /// <summary>
    /// The column of images that a model such as Stable Video Diffusion makes videos from: <c>MLImage</c>, the path of a file, or
    /// <c>Vector&lt;Single, 3, H, W&gt;</c>, RGB in [0, 1]; null (default): none, for models that read texts.
    /// </summary>
    /// <remarks>
    /// Image files are rotated as their Exif orientation says and drawn on white where they are transparent; color profiles are not applied. Of an animated
    /// file the first frame is used. An image of another size than the videos is stretched to theirs, with a message. With Open-Sora, which reads the prompt
    /// too, the image is the first frame, or the frames that the prompt's <c>{"mask_strategy": "..."}</c> says.
    /// </remarks>
    public string? ImageColumnName { get; init; }

    /// <summary>
    /// Whether saving the fitted transformer puts the files of the base model into the zip; false by default: the zip contains a reference to them (folder and
    /// hash) besides the LoRA weights.
    /// </summary>
    public bool IncludeBaseModel { get; init; }

    /// <summary>
    /// Receives the figures of every optimizer step, which also go to <c>MLContext.Log</c>; null (default): none. An exception it throws ends <c>Fit</c> with a
    /// <see cref="TrainingStepException"/> that has the weights of that step.
    /// </summary>
    public IProgress<VideoAlignmentProgress>? Progress { get; init; }

    /// <summary>
    /// Ends the run: the current step or measurement is dropped, and <c>Fit</c> returns what it would have returned after the last finished step. An
    /// <see cref="OperationCanceledException"/> while this is not canceled is a failure like any other.
    /// </summary>
    public CancellationToken CancellationToken { get; init; }

    /// <summary>Checks all ranges and relations, before anything is done.</summary>
    /// <exception cref="ArgumentException">An option is invalid; the message lists every fault.</exception>
    public void Validate() => Throw(Faults());

    /// <summary>
    /// Fills in what the model decides: size, sampling, guidance, and the steps and frames that carry gradient. Fitting with the result is the same as fitting
    /// with these options.
    /// </summary>
    /// <param name="model">The model to align.</param>
    /// <param name="reward">What to align to; null: a reward that scores frames separately.</param>
    /// <returns>The options with no null where a number is used.</returns>
    /// <exception cref="ArgumentException">An option is out of range for the model; the message lists every fault.</exception>
    public VideoAlignmentOptions ResolveFor(VideoDiffusionModel model, VideoReward? reward = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ValidateFor(model);
        SamplingSettings sampling = ResolveSampling(model);
        SamplingDefaults usual = model.DefaultSampling;
        return this with
        {
            Frames = sampling.Size.Frames,
            Height = sampling.Size.Height,
            Width = sampling.Size.Width,
            InferenceSteps = sampling.Steps,
            GuidanceScale = sampling.GuidanceScale,
            MinGuidanceScale = sampling.MinGuidanceScale,
            Eta = sampling.Eta,
            FramesPerSecond = usual.FramesPerSecond == 0 ? FramesPerSecond : sampling.FramesPerSecond,
            MotionBucketId = usual.MotionBucketId == 0 ? MotionBucketId : sampling.MotionBucketId,
            NoiseAugmentation = usual.NoiseAugmentation > 0 ? sampling.NoiseAugmentation : NoiseAugmentation,
            GradientWindow = ResolveWindow(model),
            GradientSteps = 1, // the window has it
            RewardFrames = ResolveFrames(reward),
        };
    }

    /// <summary>Checks all ranges and relations, and what depends on the model, such as sizes it can make and steps its schedule can take.</summary>
    /// <param name="model">The model to align or to generate with.</param>
    /// <exception cref="ArgumentException">An option is invalid; the message lists every fault.</exception>
    internal void ValidateFor(VideoDiffusionModel model)
    {
        model.RequireAlive();
        List<string> faults = Faults();
        if (InferenceSteps > model.Scheduler.TrainTimesteps)
        {
            faults.Add(
                $"{nameof(InferenceSteps)} must be at most {model.Scheduler.TrainTimesteps}, the length of the model's noise schedule, got {InferenceSteps}.");
        }

        if (SegmentCount > 1 && SegmentSampler.Fault(model, SegmentCount) is { } chained)
        {
            faults.Add(chained);
        }

        if (SegmentCount > 1 && KlWeight > 0)
        {
            faults.Add($"{nameof(KlWeight)} must be 0 for a video of several segments, got {KlWeight} with {nameof(SegmentCount)} {SegmentCount}.");
        }

        if (SegmentCount > 1 && GradientWindow is { Copies: > 1 })
        {
            faults.Add(
                $"{nameof(GradientWindow)} must not be {nameof(VideoAlignment.GradientWindow.LowVariance)} for a video of several segments, "
                + $"got {nameof(SegmentCount)} {SegmentCount}.");
        }

        if (SegmentCount > 1 && RewardLatentFrames)
        {
            faults.Add($"{nameof(RewardLatentFrames)} must be false for a video of several segments, got {nameof(SegmentCount)} {SegmentCount}.");
        }

        if (!model.TakesNegativePrompt && NegativePrompt is { Length: > 0 })
        {
            string why = model.Images == ImageUse.Required ? "reads no texts" : "has a learned null text in its place";
            faults.Add($"{nameof(NegativePrompt)} must be empty: a {model.Family} model {why}, got '{Quotation.Shorten(NegativePrompt)}'.");
        }

        if (model.Images == ImageUse.Required && ImageColumnName is null)
        {
            faults.Add($"{nameof(ImageColumnName)} must name the column of images: a {model.Family} model makes videos from them, got null.");
        }

        if (model.Images == ImageUse.None && ImageColumnName is not null)
        {
            faults.Add($"{nameof(ImageColumnName)} must be null: a {model.Family} model makes videos from texts, got '{Quotation.Shorten(ImageColumnName)}'.");
        }

        if ((model.Images == ImageUse.Required || (model.Images == ImageUse.Optional && ImageColumnName is not null)) && HeldOutPrompts is { Count: > 0 })
        {
            faults.Add(
                $"{nameof(HeldOutPrompts)} must be empty where a {model.Family} model is given images, got {HeldOutPrompts.Count} texts without images; "
                + $"use {nameof(HeldOutData)}.");
        }

        VideoSize usual = model.DefaultSize;
        var asked = new VideoSize(Math.Max(Frames ?? usual.Frames, 1), Height > 0 ? Height.Value : usual.Height, Width > 0 ? Width.Value : usual.Width);
        if (CapacityFault(asked, Math.Max(SegmentCount, 1)) is { } tooLarge)
        {
            faults.Add(tooLarge);
        }
        else if (model.SizeFault(asked) is { } fault)
        {
            faults.Add(fault);
        }
        else if (model.Images == ImageUse.Optional && (ImageColumnName is not null || SegmentCount > 1) && model.LatentShape(1, asked)[2] == 1)
        {
            faults.Add(
                $"{nameof(Frames)} must be larger for videos of a {model.Family} model that begin with an image, got {asked.Frames}: "
                + "there would be no frame left to make.");
        }

        ISampler? sampler = null;
        Try<ArgumentException>(
            nameof(InferenceSteps), () => Try<NotSupportedException>(nameof(Sampler), () => sampler = model.CreateSampler(ResolveSampling(model))));
        Try<ArgumentException>(nameof(GradientWindow), () => ResolveWindow(model).Resolve(sampler!, static _ => 0));
        Try<NotSupportedException>(nameof(GradientWindow), () => _ = ResolveWindow(model).Copies > 1 ? model.PolicyScheduler : null);
        Try<ArgumentException>(nameof(Algorithm),
            () => Try<NotSupportedException>(nameof(Algorithm), () => Algorithm.Require(model, ResolveSampling(model).Steps)));
        Try<ArgumentException>(nameof(LoraLayers), () => LoraTargetsFor(model).Select(model.Denoiser));
        Try<ArgumentException>(nameof(RewardFrames), () => RewardFrames?.Count(ResolveSampling(model).RewardFrameCount(model)));
        Throw(faults);

        // What other rooms check of their own arguments, reported together with the rest; pointless where the basics are wrong.
        void Try<TException>(string name, Action check)
            where TException : Exception
        {
            if (faults.Count > 0)
            {
                return;
            }

            try
            {
                check();
            }
            catch (TException error)
            {
                faults.Add($"{name}: {error.Message}");
            }
        }
    }

    /// <summary>What blocks of the networks keep for the backward pass.</summary>
    internal ActivationMemory Activations => Recompute == ActivationRecompute.None ? ActivationMemory.Keep
        : OffloadActivations ? ActivationMemory.RecomputeOffloaded : ActivationMemory.Recompute;

    /// <summary>
    /// Tells whether training of a model offloads idle networks. Not for videos of several segments, which are recomputed out of order and would need all
    /// networks all the time.
    /// </summary>
    /// <param name="model">The model, on the device of the run.</param>
    internal bool OffloadsIdleNetworks(VideoDiffusionModel model) =>
        OffloadIdleNetworks && Algorithm.NeedsRewardGradient && model.Device.type == DeviceType.CUDA && SegmentCount == 1;

    /// <summary>Gets the gradient window: the one that is set, else the last K steps, or the most sensitive ones where the last are nearly inert.</summary>
    /// <param name="model">The model to align.</param>
    internal GradientWindow ResolveWindow(VideoDiffusionModel model) =>
        GradientWindow ?? (model.LastStepIsInert ? GradientWindow.MostSensitive(GradientSteps) : GradientWindow.LastSteps(GradientSteps));

    /// <summary>The adapted layers.</summary>
    /// <param name="model">Whose names of layers are taken.</param>
    internal LoraTargets LoraTargetsFor(VideoDiffusionModel model) => LoraPattern is not null ? LoraTargets.ByPattern(LoraPattern) : LoraLayers switch
    {
        LoraLayers.AttentionQkv => model.LoraVocabulary.AttentionQkv,
        LoraLayers.AttentionQkvOut => model.LoraVocabulary.AttentionQkvOut,
        _ => LoraTargets.AllLayers,
    };

    /// <summary>Gets which frames a reward is shown.</summary>
    /// <param name="reward">The reward; null: one that scores frames separately.</param>
    internal RewardFrames ResolveFrames(VideoReward? reward) =>
        RewardFrames ?? (Algorithm.NeedsRewardGradient && reward is not { Contract.ScoresFramesSeparately: false } ? RewardFrames.OneRandom : RewardFrames.All);

    /// <summary>Makes the settings of sampling under these options, with the model's usual values where an option is null.</summary>
    /// <param name="model">The model that samples.</param>
    internal SamplingSettings ResolveSampling(VideoDiffusionModel model)
    {
        SamplingDefaults usual = model.DefaultSampling;
        return new SamplingSettings
        {
            Size = ResolveSize(model),
            Steps = InferenceSteps ?? usual.Steps,
            GuidanceScale = GuidanceScale ?? usual.GuidanceScale,
            MinGuidanceScale = MinGuidanceScale ?? usual.MinGuidanceScale,
            Eta = Eta ?? usual.Eta,
            NegativePrompt = NegativePrompt,
            SamplerName = Sampler,
            SegmentCount = SegmentCount,
            FramesPerSecond = FramesPerSecond ?? usual.FramesPerSecond,
            MotionBucketId = MotionBucketId ?? usual.MotionBucketId,
            NoiseAugmentation = NoiseAugmentation ?? usual.NoiseAugmentation,
            RewardsLatentFrames = RewardLatentFrames,
        };
    }

    /// <summary>Gets the size of a segment under these options, with the model's default where an option is null.</summary>
    /// <param name="model">The model that samples.</param>
    internal VideoSize ResolveSize(VideoDiffusionModel model) =>
        new(Frames ?? model.DefaultSize.Frames, Height ?? model.DefaultSize.Height, Width ?? model.DefaultSize.Width);

    // What is wrong with a video whose values an Int32 cannot count, as a column must; null: it fits.
    private static string? CapacityFault(VideoSize size, int segments)
    {
        Int128 values = size.CountValues(segments);
        string named = $"{nameof(Frames)} x {nameof(Height)} x {nameof(Width)}{(segments > 1 ? $" x {nameof(SegmentCount)}" : "")}";
        string times = segments > 1 ? FormattableString.Invariant($" x {segments}") : "";
        string given = FormattableString.Invariant($"{size.Frames} x {size.Height} x {size.Width}{times}");
        string counts = FormattableString.Invariant($"at most {Array.MaxLength} values, got {given} x 3 channels = {values}");
        return values <= Array.MaxLength ? null
            : $"{named} must make a video of {counts}: that is the limit of a column. Make shorter or smaller videos, and several rows of them.";
    }

    private static void Throw(List<string> faults, string parameter = "options")
    {
        if (faults.Count > 0)
        {
            throw new ArgumentException($"{nameof(VideoAlignmentOptions)}: {string.Join(' ', faults)}", parameter);
        }
    }

    private List<string> Faults()
    {
        var faults = new List<string>();
        Require(Frames is null or >= 1, Frames, "at least 1, or null");
        Require(Height is null or >= 1, Height, "at least 1, or null");
        Require(Width is null or >= 1, Width, "at least 1, or null");
        Require(InferenceSteps is null or >= 1, InferenceSteps, "at least 1, or null");
        Require(GuidanceScale is not { } scale || double.IsFinite(scale), GuidanceScale, "finite, or null");
        Require(Eta is null or (>= 0 and <= 1), Eta, "from 0 to 1, or null");
        Require(MinGuidanceScale is not { } smallest || double.IsFinite(smallest), MinGuidanceScale, "finite, or null");
        Require(FramesPerSecond is null or (> 0 and < double.PositiveInfinity), FramesPerSecond, "above 0, or null");
        Require(MotionBucketId is null or (>= 1 and <= 255), MotionBucketId, "from 1 to 255, or null");
        Require(NoiseAugmentation is null or (>= 0 and < double.PositiveInfinity), NoiseAugmentation, "at least 0, or null");
        Require(SegmentCount >= 1, SegmentCount, "at least 1");
        Require(NegativePrompt is not null, NegativePrompt, "a text, or empty");
        Require(LoraRank >= 1, LoraRank, "at least 1");
        Require(LoraAlpha > 0 && double.IsFinite(LoraAlpha), LoraAlpha, "above 0");
        Require(GradientSteps >= 1, GradientSteps, "at least 1");
        Require(GradientWindow is null || GradientSteps == 1, GradientSteps, $"left alone when {nameof(GradientWindow)} is set");
        Require(FramesPerDecode is null or >= 1, FramesPerDecode, "at least 1, or null");
        Require(Enum.IsDefined(Recompute), Recompute, "one of the names of the enumeration");
        Require(
            !OffloadActivations || Recompute != ActivationRecompute.None, OffloadActivations,
            $"false where {nameof(Recompute)} is {nameof(ActivationRecompute.None)}: only what recomputed blocks keep is offloaded");
        Require(MemoryBudget is null or >= 1, MemoryBudget, "at least 1 byte, or null");
        Require(Enum.IsDefined(LoraLayers), LoraLayers, "one of the names of the enumeration");
        Require(LearningRate > 0 && double.IsFinite(LearningRate), LearningRate, "above 0");
        Require(WeightDecay >= 0 && double.IsFinite(WeightDecay), WeightDecay, "at least 0");
        Require(Beta1 is >= 0 and < 1, Beta1, "from 0 to below 1");
        Require(Beta2 is >= 0 and < 1, Beta2, "from 0 to below 1");
        Require(Epsilon > 0 && double.IsFinite(Epsilon), Epsilon, "above 0");
        Require(Enum.IsDefined(OptimizerState), OptimizerState, "one of the names of the enumeration");
        Require(MaxGradientNorm > 0, MaxGradientNorm, "above 0; infinity switches clipping off");
        Require(BatchSize >= 1, BatchSize, "at least 1");
        Require(AccumulationSteps >= 1, AccumulationSteps, "at least 1");
        bool countable = (long)Math.Max(BatchSize, 1) * Math.Max(AccumulationSteps, 1) <= int.MaxValue / 2;
        Require(countable, AccumulationSteps,
            FormattableString.Invariant($"at most {int.MaxValue / 2} divided by {nameof(BatchSize)}, {BatchSize}: a step takes their product of videos"));
        Require(Steps >= 1, Steps, "at least 1");
        Require(HeldOutPrompts is not null, HeldOutPrompts, "a list, or empty");
        Require(HeldOutEvery >= 1, HeldOutEvery, "at least 1");
        bool measures = HeldOutPrompts is { Count: > 0 } || HeldOutData is not null;
        Require(!KeepBest || measures, KeepBest, $"false without {nameof(HeldOutPrompts)} or {nameof(HeldOutData)}");
        Require(EarlyStopPatience is null or >= 1, EarlyStopPatience, "at least 1, or null");
        Require(EarlyStopPatience is null || measures, EarlyStopPatience, $"null without {nameof(HeldOutPrompts)} or {nameof(HeldOutData)}");
        Require(EmaDecay is null or (>= 0 and < 1), EmaDecay, "from 0 to below 1, or null");
        Require(KlWeight >= 0 && double.IsFinite(KlWeight), KlWeight, "at least 0");
        Require(CheckpointFolder is null or { Length: > 0 }, CheckpointFolder, "the path of a folder, or null");
        Require(CheckpointEvery >= 1, CheckpointEvery, "at least 1");
        Require(RunFolder is null or { Length: > 0 }, RunFolder, "the path of a folder, or null");
        Require(StateEvery >= 1, StateEvery, "at least 1");
        Require(Algorithm is not null, Algorithm, "an algorithm");
        if (Algorithm is { NeedsRewardGradient: false })
        {
            const string Alone = "left alone where the reward's gradient is not followed";
            Require(GradientWindow is null, GradientWindow, Alone);
            Require(GradientSteps == 1, GradientSteps, Alone);
            Require(FramesPerDecode is null, FramesPerDecode, Alone);
            Require(!CarryGradientAcrossSegments, CarryGradientAcrossSegments, Alone);
            Require(KlWeight == 0, KlWeight, Alone);
            Require(SegmentCount == 1, SegmentCount, "1 where the reward's gradient is not followed");
            faults.AddRange(countable ? Algorithm.Faults(Math.Max(BatchSize, 1) * Math.Max(AccumulationSteps, 1)) : []);
        }

        Require(ImageColumnName is null or { Length: > 0 }, ImageColumnName, "the name of a column, or null");
        Require(SeedColumnName is null or { Length: > 0 }, SeedColumnName, "the name of a column, or null");
        return faults;

        void Require<T>(bool holds, T value, string expected, [CallerArgumentExpression(nameof(value))] string name = "")
        {
            if (!holds)
            {
                string given = value is null ? "null" : value is string text ? $"'{Quotation.Shorten(text)}'" : $"{value}";
                faults.Add($"{name} must be {expected}, got {given}.");
            }
        }
    }
}
