using System.Text.Json;
using System.Text.Json.Serialization;

namespace Microsoft.ML.VideoAlignment.Sampling;

/// <summary>How a video is sampled: everything that decides its pixels besides weights, prompt and seed.</summary>
internal sealed record SamplingSettings
{
    /// <summary>The size of a segment.</summary>
    public required VideoSize Size { get; init; }

    /// <summary>Sampler steps asked for, at least 1; a sampler's own count may differ (lvdm's DDIM).</summary>
    public required int Steps { get; init; }

    /// <summary>Guidance scale, of the last frame where it differs between frames.</summary>
    public required double GuidanceScale { get; init; }

    /// <summary>Guidance scale of the first frame, from which it grows linearly over the frames; null: the same for all.</summary>
    public double? MinGuidanceScale { get; init; }

    /// <summary>Guidance scale of the expert for low noise, of models with two experts; null: <see cref="GuidanceScale"/>.</summary>
    /// <remarks>Whether guidance acts at all, <see cref="GuidanceScale"/> alone decides, as in the reference (diffusers, <c>guidance_scale_2</c>).</remarks>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? LowNoiseGuidanceScale { get; init; }

    /// <summary>0: deterministic; 1: as much noise as DDPM (samplers without eta ignore it).</summary>
    public double Eta { get; init; }

    /// <summary>What guidance leads away from; empty: the empty prompt.</summary>
    public string NegativePrompt { get; init; } = "";

    /// <summary>
    /// Class name of another sampler to make from the folder's scheduler file, such as "DPMSolverMultistepScheduler"; null: the folder's own.
    /// </summary>
    [JsonPropertyName("samplerName")]
    public string? Sampler { get; init; }

    /// <summary>
    /// Noise levels that replace the sampler's own, one more than its steps, the final one (0) included; null: the sampler's own for
    /// <see cref="Steps"/>. Only samplers of the Euler kind take them.
    /// </summary>
    public IReadOnlyList<double>? Sigmas { get; init; }

    /// <summary>
    /// Segments of a video, each beginning with the last frame of the one before: the video has this times the frames of <see cref="Size"/>. Above 1 only for
    /// models that can begin with an image.
    /// </summary>
    public int SegmentCount { get; init; } = 1;

    /// <summary>Frames of the whole video.</summary>
    [JsonIgnore]
    public int VideoFrames => checked(SegmentCount * Size.Frames);

    /// <summary>
    /// Whether rewards are shown latent frames, each decoded as if it were a video of its own (<see cref="VideoDiffusionModel.DecodeAlone"/>), instead of
    /// frames of the video.
    /// </summary>
    [JsonPropertyName("rewardsLatentFrames")]
    public bool RewardLatentFrames { get; init; }

    /// <inheritdoc cref="VideoRequest.FramesPerSecond"/>
    public double FramesPerSecond { get; init; }

    /// <inheritdoc cref="VideoRequest.MotionBucketId"/>
    public double MotionBucketId { get; init; }

    /// <inheritdoc cref="VideoRequest.NoiseAugmentation"/>
    public double NoiseAugmentation { get; init; }

    /// <summary>Says what is wrong with settings that a file gave, whatever the model; null: all is well.</summary>
    public string? Fault()
    {
        const int MaxSide = 1 << 16;
        (string Name, double? Value, double Least, double Most)[] numbers =
        [
            (nameof(Steps), Steps, 1, 1_000_000), (nameof(GuidanceScale), GuidanceScale, double.MinValue, double.MaxValue),
            (nameof(MinGuidanceScale), MinGuidanceScale, double.MinValue, double.MaxValue),
            (nameof(LowNoiseGuidanceScale), LowNoiseGuidanceScale, double.MinValue, double.MaxValue), (nameof(Eta), Eta, 0, 1),
            (nameof(SegmentCount), SegmentCount, 1, MaxSide), (nameof(FramesPerSecond), FramesPerSecond, 0, double.MaxValue),
            (nameof(MotionBucketId), MotionBucketId, double.MinValue, double.MaxValue), (nameof(NoiseAugmentation), NoiseAugmentation, 0, double.MaxValue),
            (nameof(Size.Frames), Size.Frames, 1, MaxSide), (nameof(Size.Height), Size.Height, 1, MaxSide), (nameof(Size.Width), Size.Width, 1, MaxSide),
            .. (Sigmas ?? []).Select(sigma => (nameof(Sigmas), (double?)sigma, 0.0, double.MaxValue)),
        ];
        return numbers.FirstOrDefault(number => number.Value is { } value && !(value >= number.Least && value <= number.Most)) is { Name: { } name } wrong
            ? $"{name} is {wrong.Value}, expected a number from {wrong.Least} to {wrong.Most}"
            : null;
    }

    /// <summary>Makes the request of a batch under these settings.</summary>
    /// <param name="prompts">B prompts, all with an image or none.</param>
    /// <param name="noise">Makes standard normal noise of a shape [B, ...].</param>
    public VideoRequest Request(IReadOnlyList<VideoPrompt> prompts, Func<IReadOnlyList<long>, Tensor> noise) => new()
    {
        Prompts = [.. prompts.Select(prompt => prompt.Text)],
        NegativePrompt = NegativePrompt,
        Size = Size,
        Images = Images(prompts),
        FramesPerSecond = FramesPerSecond,
        MotionBucketId = MotionBucketId,
        NoiseAugmentation = NoiseAugmentation,
        Segments = SegmentCount,
        Noise = noise,
    };

    // [B, 3, H, W] of the video's size, whatever sizes the images have; null: there are none.
    private Tensor? Images(IReadOnlyList<VideoPrompt> prompts)
    {
        if (prompts.All(prompt => prompt.Image is null))
        {
            return null;
        }

        using DisposeScope scope = NewDisposeScope();
        Tensor[] rows = [.. prompts.Select((prompt, row) => FirstFrame.Fit(
            prompt.Image?.Invoke().unsqueeze(0) ?? throw new ArgumentException($"Row {row} has no image, and other rows of its "
                + "batch have one.", nameof(prompts)),
            Size.Height,
            Size.Width))];
        return cat(rows).MoveToOuterDisposeScope();
    }
}

/// <summary>What a model's publisher samples with; options that are left null take these.</summary>
/// <param name="Steps">Sampler steps.</param>
/// <param name="GuidanceScale">Guidance scale.</param>
internal sealed record SamplingDefaults(int Steps, double GuidanceScale)
{
    /// <summary>
    /// Own keys of model_index.json (diffusers ignores names with an underscore): the steps and the guidance scale that a model was trained for.
    /// </summary>
    internal const string StepsKey = "_num_inference_steps", GuidanceKey = "_guidance_scale";

    /// <summary>Reads a diffusers folder's own defaults.</summary>
    /// <param name="index">The content of model_index.json.</param>
    /// <param name="usual">What holds where it does not say.</param>
    public static SamplingDefaults FromIndex(JsonElement index, SamplingDefaults usual) => usual with
    {
        Steps = (int)Layers.ConfigJson.Integer(index, StepsKey, usual.Steps, maximum: 1000),
        GuidanceScale = Layers.ConfigJson.Number(index, GuidanceKey, usual.GuidanceScale),
    };

    /// <inheritdoc cref="SamplingSettings.MinGuidanceScale"/>
    public double? MinGuidanceScale { get; init; }

    /// <inheritdoc cref="SamplingSettings.Eta"/>
    public double Eta { get; init; }

    /// <summary>Frames a second that the network is told; 0: it is not told any.</summary>
    public double FramesPerSecond { get; init; }

    /// <summary>How much motion the network is asked for; 0: it is not asked.</summary>
    public double MotionBucketId { get; init; }

    /// <summary>Standard deviation of the noise that is added to an image; 0: none is.</summary>
    public double NoiseAugmentation { get; init; }
}
