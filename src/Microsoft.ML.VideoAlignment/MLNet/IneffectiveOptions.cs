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
    private static readonly RunControl s_uncontrolled = new();

    private readonly List<string> _lines = [];

    private IneffectiveOptions()
    {
    }

    /// <summary>Finds ineffective options of generation.</summary>
    /// <param name="sampling">How videos are sampled.</param>
    /// <param name="includeBaseModel">Whether a saved transformer is to contain the base model.</param>
    /// <param name="model">The model that samples.</param>
    /// <returns>One sentence for each option, which names it and says why.</returns>
    public static IReadOnlyList<string> FindInGeneration(VideoSamplingOptions sampling, bool includeBaseModel, VideoDiffusionModel model)
    {
        var found = new IneffectiveOptions();
        found.AddSampling(s_defaults with { Sampling = sampling }, model);
        found.AddBaseModel(s_defaults with { IncludeBaseModel = includeBaseModel }, model);
        return found._lines;
    }

    /// <summary>Finds ineffective options of an alignment.</summary>
    /// <param name="options">The options.</param>
    /// <param name="control">What controls the run.</param>
    /// <param name="model">The model to align.</param>
    /// <param name="reward">What to align to.</param>
    /// <param name="device">The device that trains.</param>
    /// <returns>One sentence for each option, which names it and says why.</returns>
    public static IReadOnlyList<string> FindInAlignment(
        VideoAlignmentOptions options, RunControl control, VideoDiffusionModel model, VideoReward reward, Device device)
    {
        var found = new IneffectiveOptions();
        found.AddSampling(options, model);
        found.AddBaseModel(options, model);
        found.AddMeasurements(options);
        found.AddFiles(control, options.Optimizer.Steps);
        found.AddReward(options, model, reward);
        found.AddMemory(options, device.type == DeviceType.CPU);
        bool pattern = options.Lora.Pattern is not null;
        found.Add(options.Lora.Layers, pattern && options.Lora.Layers != s_defaults.Lora.Layers,
            $"{OptionFaults.Name(options.Lora.Pattern)} chooses the layers");
        found.AddRank(options, model);
        found.Add(options.Optimizer.EmaDecay, options.Optimizer.EmaDecay == 0, "an average of decay 0 is the last weights");
        IEnumerable<(string Option, string Why)> own = options.Algorithm.Definition.FindIneffective(options.ResolveSampling(model));
        found._lines.AddRange(own.Select(option => Describe(option.Option, option.Why)));
        return found._lines;
    }

    private static string Describe(string option, string why) => $"{option} has no effect: {why}.";

    private void AddSampling(VideoAlignmentOptions options, VideoDiffusionModel model)
    {
        VideoSamplingOptions asked = options.Sampling;
        SamplingDefaults usual = model.DefaultSampling;
        double guidance = asked.Resolve(model).GuidanceScale;
        bool guided = model.GuidanceActs(guidance);
        string scale = FormattableString.Invariant($"guidance does not act at {OptionFaults.Name(options.Sampling.GuidanceScale)} {guidance}");
        Add(options.Sampling.NegativePrompt, asked.NegativePrompt.Length > 0 && !guided, $"{scale}; set it above 1");
        Add(options.Sampling.MinGuidanceScale, asked.MinGuidanceScale is not null && !guided, scale);

        IScheduler scheduler = asked.Sampler is null ? model.Scheduler : model.SwapScheduler(asked.Sampler);
        Add(
            options.Sampling.Eta, asked.Eta > 0 && scheduler is not IPolicyScheduler,
            $"{scheduler.Name} takes no noise by eta; DDIM does ({OptionFaults.Name(options.Sampling.Sampler)})");
        string notTold = $"a {model.Family} model is not told it";
        Add(options.Sampling.FramesPerSecond, asked.FramesPerSecond is not null && usual.FramesPerSecond == 0, notTold);
        Add(options.Sampling.MotionBucketId, asked.MotionBucketId is not null && usual.MotionBucketId == 0, notTold);
        bool addsNoise = usual.NoiseAugmentation > 0;
        Add(options.Sampling.NoiseAugmentation, asked.NoiseAugmentation is not null && !addsNoise, $"a {model.Family} model adds no noise to images");
    }

    private void AddBaseModel(VideoAlignmentOptions options, VideoDiffusionModel model) => Add(
        options.IncludeBaseModel, options.IncludeBaseModel && model.ComesWithPackage, "the model comes with a package, and a saved transformer names it");

    // A rank above what any layer can use; one that only some layers cannot use is usual.
    private void AddRank(VideoAlignmentOptions options, VideoDiffusionModel model)
    {
        LoraTargets targets = options.Lora.TargetsFor(model.LoraVocabulary);
        bool clipped = targets.ClampsRank;
        long[] sizes =
        [
            .. targets.Select(model.Denoiser).Select(layer =>
                Math.Min(layer.WeightShape[0], clipped ? layer.WeightShape[1] : layer.WeightShape.Skip(1).Aggregate(1L, (product, size) => product * size))),
        ];
        if (options.Lora.Rank > sizes.Max())
        {
            string range = sizes.Min() == sizes.Max() ? $"{sizes.Max()}" : $"{sizes.Min()} to {sizes.Max()}";
            string effect = clipped ? "to which it is clipped" : "which is all that they can use";
            _lines.Add(
                $"{OptionFaults.Name(options.Lora.Rank)} {options.Lora.Rank} has no effect beyond the size of the {sizes.Length} layers ({range}), {effect}; "
                + $"the scale stays {nameof(options.Lora.Alpha)} / {nameof(options.Lora.Rank)}, {options.Lora.Alpha / options.Lora.Rank:G3}.");
        }
    }

    private void AddMeasurements(VideoAlignmentOptions options)
    {
        (int steps, int every) = (options.Optimizer.Steps, options.Validation.Every);
        int count = (steps / every) + (steps % every == 0 ? 0 : 1);
        Add(
            options.Validation.Every, every != s_defaults.Validation.Every && !options.Validation.HasRows,
            $"there are no {OptionFaults.Name(options.Validation.Prompts)} and no {OptionFaults.Name(options.Validation.Data)}");
        Add(
            options.Validation.EarlyStopPatience, options.Validation.EarlyStopPatience >= count,
            $"a run of {steps} steps has {count} measurements ({OptionFaults.Name(options.Validation.Every)} {every})");
    }

    private void AddFiles(RunControl control, int steps)
    {
        Add(
            control.StateEvery, control.StateEvery != s_uncontrolled.StateEvery && control.RunFolder is null, $"there is no {nameof(control.RunFolder)}");
        bool keeps = control.CheckpointFolder is not null;
        Add(control.CheckpointEvery, control.CheckpointEvery != s_uncontrolled.CheckpointEvery && !keeps, $"there is no {nameof(control.CheckpointFolder)}");
        Add(
            control.CheckpointFolder, keeps && control.CheckpointEvery > steps,
            $"a run of {steps} steps ends before the first file ({nameof(control.CheckpointEvery)} {control.CheckpointEvery})");
    }

    private void AddReward(VideoAlignmentOptions options, VideoDiffusionModel model, VideoReward reward)
    {
        SamplingSettings sampling = options.ResolveSampling(model);
        int shown = options.ResolveFrames(reward).Count(sampling.RewardFrameCount(model));
        Add(
            options.Memory.FramesPerDecode, options.Memory.FramesPerDecode > 1 && options.Memory.FramesPerDecode >= shown,
            $"the reward is shown {shown} frames of a video, which are decoded together anyway");
        bool plain = model.LatentShape(1, sampling.Size)[2] == sampling.Size.Frames;
        Add(options.Reward.LatentFrames, options.Reward.LatentFrames && plain, $"a latent frame of a {model.Family} model is one frame of the video");
        bool compares = !options.Algorithm.Definition.NeedsRewardGradient;
        Add(
            options.Reward.Loss, options.Reward.Loss is { Scale: not 1 } && compares,
            $"{nameof(options.Algorithm)} compares videos, and the loss's scale cancels");
    }

    private void AddMemory(VideoAlignmentOptions options, bool cpu)
    {
        const string OnCpu = "training is on the CPU";
        Add(options.Memory.OffloadActivations, options.Memory.OffloadActivations && cpu, OnCpu);
        Add(options.Memory.StreamWeights, options.Memory.StreamWeights && cpu, OnCpu);
        Add(options.Memory.TensorFloat32, options.Memory.TensorFloat32 && cpu, OnCpu);
        bool follows = options.Algorithm.Definition.NeedsRewardGradient, stays = cpu || !follows || options.Sampling.SegmentCount > 1;
        Add(
            options.Memory.OffloadIdleNetworks, options.Memory.OffloadIdleNetworks && stays,
            cpu ? OnCpu : follows ? "videos of several segments need all networks all the time" : $"{nameof(options.Algorithm)} learns from scores alone");
        bool planned = options.Memory.Budget is not null;
        string decides = $"{OptionFaults.Name(options.Memory.Budget)} decides it";
        Add(options.Memory.Recompute, planned && options.Memory.Recompute != s_defaults.Memory.Recompute, decides);
        Add(options.Memory.OffloadActivations, planned && options.Memory.OffloadActivations && !cpu, decides);
        Add(options.Memory.Tiling, planned && options.Memory.Tiling != s_defaults.Memory.Tiling, decides);
    }

    private void Add<T>(T value, bool holds, string why, [CallerArgumentExpression(nameof(value))] string option = "")
    {
        if (holds)
        {
            string shown = value is string text ? $"'{Quotation.Shorten(text)}'" : FormattableString.Invariant($"{value}");
            _lines.Add(Describe($"{OptionFaults.Name(value, option)} {shown}", why));
        }
    }
}
