using System.Runtime.CompilerServices;
using Microsoft.ML.VideoAlignment.Files;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Schedulers;

namespace Microsoft.ML.VideoAlignment.MLNet;

/// <summary>
/// Finds options that were set and have no effect, one line each for the log. What is certainly a mistake is refused by
/// <see cref="VideoAlignmentOptions.Validate"/> instead.
/// </summary>
internal sealed class IneffectiveOptions
{
    private static readonly VideoAlignmentOptions s_defaults = new();

    private readonly List<string> _lines = [];

    private IneffectiveOptions()
    {
    }

    /// <summary>Finds ineffective options of sampling.</summary>
    /// <param name="options">The options.</param>
    /// <param name="model">The model that samples.</param>
    /// <returns>One sentence for each option, which names it and says why.</returns>
    public static IReadOnlyList<string> FindInSampling(VideoAlignmentOptions options, VideoDiffusionModel model)
    {
        var found = new IneffectiveOptions();
        SamplingSettings sampling = options.ResolveSampling(model);
        SamplingDefaults usual = model.DefaultSampling;
        bool guided = model.GuidanceActs(sampling.GuidanceScale);
        string scale = FormattableString.Invariant($"guidance does not act at {nameof(options.GuidanceScale)} {sampling.GuidanceScale}");
        found.Add(options.NegativePrompt, options.NegativePrompt.Length > 0 && !guided, $"{scale}; set it above 1");
        found.Add(options.MinGuidanceScale, options.MinGuidanceScale is not null && !guided, scale);

        IScheduler scheduler = options.Sampler is null ? model.Scheduler : model.SwapScheduler(options.Sampler);
        bool takesEta = scheduler is IPolicyScheduler;
        found.Add(options.Eta, options.Eta > 0 && !takesEta, $"{scheduler.Name} takes no noise by eta; DDIM does ({nameof(options.Sampler)})");
        found.Add(options.FramesPerSecond, options.FramesPerSecond is not null && usual.FramesPerSecond == 0, $"a {model.Family} model is not told it");
        found.Add(options.MotionBucketId, options.MotionBucketId is not null && usual.MotionBucketId == 0, $"a {model.Family} model is not told it");
        bool addsNoise = usual.NoiseAugmentation > 0;
        found.Add(options.NoiseAugmentation, options.NoiseAugmentation is not null && !addsNoise, $"a {model.Family} model adds no noise to images");
        bool packaged = model.ComesWithPackage;
        found.Add(options.IncludeBaseModel, options.IncludeBaseModel && packaged, "the model comes with a package, and a saved transformer names it");
        return found._lines;
    }

    /// <summary>Finds ineffective options of training.</summary>
    /// <param name="options">The options.</param>
    /// <param name="model">The model to align.</param>
    /// <param name="reward">What to align to.</param>
    /// <param name="device">The device that trains.</param>
    /// <returns>One sentence for each option, which names it and says why.</returns>
    public static IReadOnlyList<string> FindInTraining(VideoAlignmentOptions options, VideoDiffusionModel model, VideoReward reward, Device device)
    {
        var found = new IneffectiveOptions();
        found.AddMeasurements(options);
        found.AddReward(options, model, reward);
        found.AddMemory(options, device.type == DeviceType.CPU);
        bool pattern = options.LoraPattern is not null;
        found.Add(options.LoraLayers, pattern && options.LoraLayers != s_defaults.LoraLayers, $"{nameof(options.LoraPattern)} chooses the layers");
        found.AddRank(options, model);
        found.Add(options.EmaDecay, options.EmaDecay == 0, "an average of decay 0 is the last weights");
        if (options.Algorithm is AlignmentAlgorithm.Policy(var ddpo) && !ddpo.PerPromptAdvantages)
        {
            var usual = new DdpoOptions();
            const string Off = $"{nameof(ddpo.PerPromptAdvantages)} is false";
            found.Add(ddpo.AdvantageBuffer, ddpo.AdvantageBuffer != usual.AdvantageBuffer, Off);
            found.Add(ddpo.AdvantageMinimum, ddpo.AdvantageMinimum != usual.AdvantageMinimum, Off);
        }

        return found._lines;
    }

    // A rank above what any layer can use; one that only some layers cannot use is usual.
    private void AddRank(VideoAlignmentOptions options, VideoDiffusionModel model)
    {
        LoraTargets targets = options.LoraTargetsFor(model);
        bool clipped = targets.ClampsRank;
        long[] sizes =
        [
            .. targets.Select(model.Denoiser).Select(layer =>
                Math.Min(layer.WeightShape[0], clipped ? layer.WeightShape[1] : layer.WeightShape.Skip(1).Aggregate(1L, (product, size) => product * size))),
        ];
        if (options.LoraRank > sizes.Max())
        {
            string range = sizes.Min() == sizes.Max() ? $"{sizes.Max()}" : $"{sizes.Min()} to {sizes.Max()}";
            string effect = clipped ? "to which it is clipped" : "which is all that they can use";
            _lines.Add(
                $"{nameof(options.LoraRank)} {options.LoraRank} has no effect beyond the size of the {sizes.Length} layers ({range}), {effect}; "
                + $"the scale stays {nameof(options.LoraAlpha)} / {nameof(options.LoraRank)}, {options.LoraAlpha / options.LoraRank:G3}.");
        }
    }

    private void AddMeasurements(VideoAlignmentOptions options)
    {
        bool measures = options.HeldOutPrompts.Count > 0 || options.HeldOutData is not null;
        int count = (options.Steps / options.HeldOutEvery) + (options.Steps % options.HeldOutEvery == 0 ? 0 : 1);
        Add(
            options.HeldOutEvery, options.HeldOutEvery != s_defaults.HeldOutEvery && !measures,
            $"there are no {nameof(options.HeldOutPrompts)} and no {nameof(options.HeldOutData)}");
        Add(
            options.EarlyStopPatience, options.EarlyStopPatience >= count,
            $"a run of {options.Steps} steps has {count} measurements ({nameof(options.HeldOutEvery)} {options.HeldOutEvery})");
        bool keeps = options.CheckpointFolder is not null;
        Add(options.CheckpointEvery, options.CheckpointEvery != s_defaults.CheckpointEvery && !keeps, $"there is no {nameof(options.CheckpointFolder)}");
        Add(
            options.CheckpointFolder, keeps && options.CheckpointEvery > options.Steps,
            $"a run of {options.Steps} steps ends before the first file ({nameof(options.CheckpointEvery)} {options.CheckpointEvery})");
    }

    private void AddReward(VideoAlignmentOptions options, VideoDiffusionModel model, VideoReward reward)
    {
        SamplingSettings sampling = options.ResolveSampling(model);
        int shown = options.ResolveFrames(reward).Count(sampling.RewardFrameCount(model));
        bool alone = options.SegmentCount == 1;
        Add(
            options.CarryGradientAcrossSegments, options.CarryGradientAcrossSegments && alone,
            $"a video of {nameof(options.SegmentCount)} 1 has no later segment");
        Add(
            options.FramesPerDecode, options.FramesPerDecode > 1 && options.FramesPerDecode >= shown,
            $"the reward is shown {shown} frames of a video, which are decoded together anyway");
        bool plain = model.LatentShape(1, sampling.Size)[2] == sampling.Size.Frames;
        Add(options.RewardLatentFrames, options.RewardLatentFrames && plain, $"a latent frame of a {model.Family} model is one frame of the video");
        bool compares = !options.Algorithm.NeedsRewardGradient;
        Add(options.Loss, options.Loss is { Scale: not 1 } && compares, $"{nameof(options.Algorithm)} compares videos, and the loss's scale cancels");
    }

    private void AddMemory(VideoAlignmentOptions options, bool cpu)
    {
        const string OnCpu = "training is on the CPU";
        Add(options.OffloadActivations, options.OffloadActivations && cpu, OnCpu);
        bool follows = options.Algorithm.NeedsRewardGradient, stays = cpu || !follows || options.SegmentCount > 1;
        Add(
            options.OffloadIdleNetworks, options.OffloadIdleNetworks && stays,
            cpu ? OnCpu : follows ? "videos of several segments need all networks all the time" : $"{nameof(options.Algorithm)} learns from scores alone");
        bool planned = options.MemoryBudget is not null;
        Add(options.Recompute, planned && options.Recompute != s_defaults.Recompute, $"{nameof(options.MemoryBudget)} decides it");
        Add(options.OffloadActivations, planned && options.OffloadActivations && !cpu, $"{nameof(options.MemoryBudget)} decides it");
    }

    private void Add<T>(T value, bool holds, string why, [CallerArgumentExpression(nameof(value))] string option = "")
    {
        if (holds)
        {
            string name = option.Replace("options.", "", StringComparison.Ordinal).Replace("ddpo.", $"{nameof(DdpoOptions)}.", StringComparison.Ordinal);
            string shown = value is string text ? $"'{Quotation.Shorten(text)}'" : FormattableString.Invariant($"{value}");
            _lines.Add($"{name} {shown} has no effect: {why}.");
        }
    }
}
