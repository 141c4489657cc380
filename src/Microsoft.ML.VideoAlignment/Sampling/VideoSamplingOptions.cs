using Microsoft.ML.VideoAlignment.Files;
using Microsoft.ML.VideoAlignment.Sampling;

namespace Microsoft.ML.VideoAlignment;

/// <summary>How videos are generated, in training and afterwards. What is null is the model's usual value.</summary>
public sealed record VideoSamplingOptions
{
    /// <summary>The name under which messages know these options.</summary>
    internal const string Record = "Sampling";

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
    public int? Steps { get; init; }

    /// <summary>
    /// Classifier-free guidance g in e = e(negative) + g (e(prompt) - e(negative)), finite; 1 or less (VideoCrafter: exactly 1) means no guidance and halves
    /// the work. Null (default): the model's usual value, 9 for ModelScope, 12 for VideoCrafter (VADER's scripts).
    /// </summary>
    public double? GuidanceScale { get; init; }

    /// <summary>
    /// The guidance scale of the first frame, from which it grows linearly to <see cref="GuidanceScale"/> at the last, finite; null (default): the model's
    /// usual value, 1 for Stable Video Diffusion, and one scale for all frames elsewhere.
    /// </summary>
    public double? MinGuidanceScale { get; init; }

    /// <summary>
    /// Noise added in each step, from 0 (deterministic, DDIM) to 1 (as much as DDPM); null (default): the model's usual value, 0 for ModelScope, 1 for
    /// VideoCrafter (VADER's scripts). Samplers without it ignore it, and the log says so.
    /// </summary>
    public double? Eta { get; init; }

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
    /// The sampler, made from the model's noise schedule: a class name of diffusers such as "DDIMScheduler" or "DPMSolverMultistepScheduler"; null (default):
    /// the model's own.
    /// </summary>
    public string? Sampler { get; init; }

    /// <summary>
    /// The negative prompt of guidance; empty by default, as in VADER. Where <see cref="GuidanceScale"/> switches guidance off it has no effect, and the log
    /// says so.
    /// </summary>
    public string NegativePrompt { get; init; } = "";

    /// <summary>
    /// An Int32 or Int64 column that distinguishes rows with the same prompt; null (default): none. A video is a function of the seed, the prompt and this
    /// column, so without it equal prompts give equal videos.
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

    /// <summary>Checks all ranges and relations, and what depends on the model, such as sizes it can make and steps its schedule can take.</summary>
    /// <param name="model">The model that samples.</param>
    /// <param name="parameter">The caller's parameter that the options came by.</param>
    /// <exception cref="ArgumentException">An option is invalid; the message lists every fault.</exception>
    internal void ValidateFor(VideoDiffusionModel model, string parameter = "sampling")
    {
        string[] faults = [.. Faults(), .. SamplingFaults.Find(this, model)];
        if (faults.Length > 0)
        {
            throw new ArgumentException($"{nameof(VideoSamplingOptions)}: {string.Join(' ', faults)}", parameter);
        }
    }

    /// <summary>Fills in the model's usual values.</summary>
    /// <param name="model">The model that samples.</param>
    internal SamplingSettings Resolve(VideoDiffusionModel model)
    {
        SamplingDefaults usual = model.DefaultSampling;
        return new SamplingSettings
        {
            Size = ResolveSize(model),
            Steps = Steps ?? usual.Steps,
            GuidanceScale = GuidanceScale ?? usual.GuidanceScale,
            MinGuidanceScale = MinGuidanceScale ?? usual.MinGuidanceScale,
            Eta = Eta ?? usual.Eta,
            NegativePrompt = NegativePrompt,
            Sampler = Sampler,
            SegmentCount = SegmentCount,
            FramesPerSecond = FramesPerSecond ?? usual.FramesPerSecond,
            MotionBucketId = MotionBucketId ?? usual.MotionBucketId,
            NoiseAugmentation = NoiseAugmentation ?? usual.NoiseAugmentation,
        };
    }

    /// <summary>Gets the size of a segment, with the model's default where an option is null.</summary>
    /// <param name="model">The model that samples.</param>
    internal VideoSize ResolveSize(VideoDiffusionModel model) =>
        new(Frames ?? model.DefaultSize.Frames, Height ?? model.DefaultSize.Height, Width ?? model.DefaultSize.Width);

    /// <summary>Fills in the model's usual values, as options: sampling with the result is the same as with these options.</summary>
    /// <param name="model">The model that samples.</param>
    /// <returns>Options with no null where the model reads a number.</returns>
    internal VideoSamplingOptions ResolveFor(VideoDiffusionModel model)
    {
        SamplingSettings sampling = Resolve(model);
        SamplingDefaults usual = model.DefaultSampling;
        return this with
        {
            Frames = sampling.Size.Frames,
            Height = sampling.Size.Height,
            Width = sampling.Size.Width,
            Steps = sampling.Steps,
            GuidanceScale = sampling.GuidanceScale,
            MinGuidanceScale = sampling.MinGuidanceScale,
            Eta = sampling.Eta,
            FramesPerSecond = usual.FramesPerSecond == 0 ? FramesPerSecond : sampling.FramesPerSecond,
            MotionBucketId = usual.MotionBucketId == 0 ? MotionBucketId : sampling.MotionBucketId,
            NoiseAugmentation = usual.NoiseAugmentation > 0 ? sampling.NoiseAugmentation : NoiseAugmentation,
        };
    }

    /// <summary>Lists what is wrong with the options whatever the model, one sentence each.</summary>
    internal IReadOnlyList<string> Faults()
    {
        var faults = new OptionFaults(Record);
        faults.Require(Frames is null or >= 1, Frames, "at least 1, or null");
        faults.Require(Height is null or >= 1, Height, "at least 1, or null");
        faults.Require(Width is null or >= 1, Width, "at least 1, or null");
        faults.Require(Steps is null or >= 1, Steps, "at least 1, or null");
        faults.Require(GuidanceScale is not { } scale || double.IsFinite(scale), GuidanceScale, "finite, or null");
        faults.Require(MinGuidanceScale is not { } smallest || double.IsFinite(smallest), MinGuidanceScale, "finite, or null");
        faults.Require(Eta is null or (>= 0 and <= 1), Eta, "from 0 to 1, or null");
        faults.Require(FramesPerSecond is null or (> 0 and < double.PositiveInfinity), FramesPerSecond, "above 0, or null");
        faults.Require(MotionBucketId is null or (>= 1 and <= 255), MotionBucketId, "from 1 to 255, or null");
        faults.Require(NoiseAugmentation is null or (>= 0 and < double.PositiveInfinity), NoiseAugmentation, "at least 0, or null");
        faults.Require(SegmentCount >= 1, SegmentCount, "at least 1");
        faults.Require(NegativePrompt is not null, NegativePrompt, "a text, or empty");
        faults.Require(ImageColumnName is null or { Length: > 0 }, ImageColumnName, "the name of a column, or null");
        faults.Require(SeedColumnName is null or { Length: > 0 }, SeedColumnName, "the name of a column, or null");
        return faults.All;
    }
}
