using System.Globalization;
using Microsoft.ML.VideoAlignment.Files;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Memory;

/// <summary>Finds a <see cref="MemoryPlan"/>; every estimate is a training step on shapes, so that it describes what the code does.</summary>
/// <param name="model">The base model.</param>
/// <param name="options">The options of the run.</param>
/// <param name="budget">The most that the run may take, in bytes.</param>
/// <param name="reward">The reward; null: one that scores frames separately and takes no memory.</param>
/// <param name="device">The device of the run, wherever the model is.</param>
internal sealed class MemoryPlanner(VideoDiffusionModel model, VideoAlignmentOptions options, long budget, VideoReward? reward, IComputeDevice device)
{
    /// <summary>The least saving that is worth the time, as a share of what a plan can change.</summary>
    private const double Worthwhile = 0.01;

    private readonly List<MemoryPlanStep> _tried = [];

    /// <summary>Whether options that fit are left as they are, and others changed only where no number changes: the user named no budget.</summary>
    public bool KeepsOptionsThatFit { get; init; }

    // A change of the options, and its name in the plan.
    private sealed record MemoryOption(string Name, Func<VideoAlignmentOptions, VideoAlignmentOptions> Apply);

    /// <summary>Searches as <see cref="MemoryPlan.Create"/> describes.</summary>
    /// <exception cref="InsufficientMemoryException">No plan fits.</exception>
    public MemoryPlan Find()
    {
        MemoryPlan plan = Search();
        return plan.Estimate.Peak <= budget ? plan : throw new InsufficientMemoryException(DescribeFailure(plan));
    }

    /// <summary>Searches likewise, and is content with the least where nothing fits.</summary>
    /// <returns>A plan that fits; where there is none, the one with the least peak.</returns>
    public MemoryPlan Search()
    {
        if (KeepsOptionsThatFit && Try("the options as they are", options) is { } given && given.Peak <= budget)
        {
            return MemoryPlan.From(options, given, budget, _tried);
        }

        VideoAlignmentOptions plain = options with
        {
            Memory = options.Memory with
            {
                Budget = null,
                Recompute = ActivationRecompute.None,
                OffloadActivations = false,
                Tiling = ActivationTiling.None,
            },
        };
        MemoryEstimate best = Try("everything kept", plain);
        var kept = new List<MemoryOption>();
        foreach (MemoryOption change in KeepsOptionsThatFit ? FreeChanges() : FreeChanges().Concat(RoundingChanges()))
        {
            if (best.Peak <= budget)
            {
                break;
            }

            MemoryEstimate estimate = Try(change.Name, Apply(plain, [.. kept, change]));
            bool saves = best.Peak - estimate.Peak > Worthwhile * (best.Peak - best.Runtime);
            RecordVerdict(saves ? "kept" : "saves nothing here");
            if (saves)
            {
                kept.Add(change);
                best = estimate;
            }
        }

        // What a later option has made unnecessary is removed again, the most expensive first; the last one made the plan fit.
        foreach (MemoryOption change in best.Peak <= budget ? kept.SkipLast(1).Reverse().ToList() : [])
        {
            List<MemoryOption> without = [.. kept.Where(other => other != change)];
            MemoryEstimate estimate = Try($"without {change.Name}", Apply(plain, without));
            RecordVerdict(estimate.Peak <= budget ? "not needed" : "needed");
            if (estimate.Peak <= budget)
            {
                (kept, best) = (without, estimate);
            }
        }

        return MemoryPlan.From(Apply(plain, kept), best, budget, _tried);
    }

    // What has an effect for the algorithm and changes no number, in order of the time it costs. MemoryPlan.Create tells users the order.
    private IEnumerable<MemoryOption> FreeChanges()
    {
        bool gpu = device.Type == DeviceType.CUDA, follows = options.Algorithm.Definition.NeedsRewardGradient;
        foreach (int count in follows ? SmallerDecodes() : [])
        {
            yield return Saving($"{OptionFaults.Name(options.Memory.FramesPerDecode)} = {count}", memory => memory with { FramesPerDecode = count });
        }

        if (gpu && follows && !options.Memory.OffloadIdleNetworks && options.Sampling.SegmentCount == 1)
        {
            yield return Saving($"{OptionFaults.Name(options.Memory.OffloadIdleNetworks)} = true", memory => memory with { OffloadIdleNetworks = true });
        }

        string recompute = OptionFaults.Name(options.Memory.Recompute);
        yield return Saving($"{recompute} = {ActivationRecompute.Blocks}", memory => memory with { Recompute = ActivationRecompute.Blocks });
        if (gpu)
        {
            yield return Saving(
                $"{OptionFaults.Name(options.Memory.OffloadActivations)} = true",
                memory => memory with { Recompute = ActivationRecompute.Blocks, OffloadActivations = true });
        }

        if (follows)
        {
            yield return Saving(
                $"{OptionFaults.Name(options.Memory.Tiling)} = {ActivationTiling.Decoder}",
                memory => memory with { Recompute = ActivationRecompute.Blocks, Tiling = ActivationTiling.Decoder });
        }

        if (gpu && !options.Memory.StreamWeights)
        {
            yield return Saving($"{OptionFaults.Name(options.Memory.StreamWeights)} = true", memory => memory with { StreamWeights = true });
        }

        if (options.Algorithm.Definition.DenoisesWithGradient)
        {
            yield return Saving($"{recompute} = {ActivationRecompute.Steps}", memory => memory with { Recompute = ActivationRecompute.Steps });
        }
    }

    // What changes numbers, the least first: what an option names stays.
    private IEnumerable<MemoryOption> RoundingChanges()
    {
        RunPrecision now = options.Memory.ResolvePrecision(device, model.Parts.Traits);
        if (ComputeDevice.HalfPrecision(device) is { } half)
        {
            if (options.Memory.RewardPrecision is null && now.Reward == ComputePrecision.Float32)
            {
                yield return Saving($"{OptionFaults.Name(options.Memory.RewardPrecision)} = {half}", memory => memory with { RewardPrecision = half });
            }

            if (options.Memory.DecoderPrecision is null && now.Decoder == ComputePrecision.Float32 && DecoderFits(half))
            {
                yield return Saving($"{OptionFaults.Name(options.Memory.DecoderPrecision)} = {half}", memory => memory with { DecoderPrecision = half });
            }

            if (options.Memory.Precision is null && now.Denoiser == ComputePrecision.Float32)
            {
                yield return Saving($"{OptionFaults.Name(options.Memory.Precision)} = {half}", memory => memory with { Precision = half });
            }
        }

        if (options.Optimizer.State != OptimizerState.EightBit)
        {
            yield return new MemoryOption(
                $"{OptionFaults.Name(options.Optimizer.State)} = {OptimizerState.EightBit}",
                given => given with { Optimizer = given.Optimizer with { State = OptimizerState.EightBit } });
        }
    }

    private bool DecoderFits(ComputePrecision half) => half != ComputePrecision.Float16 || !model.Parts.Traits.DecoderExceedsFloat16;

    private static MemoryOption Saving(FormattableString name, Func<MemoryOptions, MemoryOptions> apply) =>
        new(FormattableString.Invariant(name), given => given with { Memory = apply(given.Memory) });

    // Numbers of frames that are decoded together, each half of the one before, down to 1.
    private IEnumerable<int> SmallerDecodes()
    {
        int shown = options.ResolveFrames(reward).Count(options.ResolveSampling(model).RewardFrameCount(model));
        int frames = Math.Min(shown, options.Memory.FramesPerDecode ?? shown);
        while (frames > 1)
        {
            frames = (frames + 1) / 2;
            yield return frames;
        }
    }

    private static VideoAlignmentOptions Apply(VideoAlignmentOptions plain, IEnumerable<MemoryOption> changes) =>
        changes.Aggregate(plain, (given, change) => change.Apply(given));

    private MemoryEstimate Try(string change, VideoAlignmentOptions tried)
    {
        MemoryEstimate estimate = MemoryEstimation.EstimateOn(device, model, tried, reward);
        _tried.Add(new MemoryPlanStep(change, estimate.Peak, estimate.Peak <= budget ? "fits" : ""));
        return estimate;
    }

    private void RecordVerdict(string verdict) => _tried[^1] = _tried[^1] with { Verdict = _tried[^1].Verdict.Length > 0 ? $"{verdict}, fits" : verdict };

    /// <summary>Says that nothing fits, what takes the memory, and what would lower it.</summary>
    /// <param name="plan">The plan with the least peak.</param>
    public string DescribeFailure(MemoryPlan plan)
    {
        (MemoryEstimate least, VideoAlignmentOptions tried) = (plan.Estimate, plan.Options);
        (string driver, long bytes) = least.PeakParts.MaxBy(part => part.Bytes);
        var ways = new List<string>();
        foreach (WeightPrecision precision in new[] { WeightPrecision.Float16, WeightPrecision.Int8 })
        {
            if (WeightBytes(precision) is var stored && stored < 0.9 * least.Weights)
            {
                ways.Add($"load the model with {nameof(VideoModelOptions)}.{nameof(VideoModelOptions.Precision)} = {precision}, "
                    + $"for about {MemoryEstimate.InMegabytes(least.Peak - least.Weights + stored)}");
            }
        }

        if (ComputeDevice.HalfPrecision(device) is { } half && least.Precision.Denoiser == ComputePrecision.Float32)
        {
            ways.Add($"{OptionFaults.Name(tried.Memory.Precision)} = {half} (now {least.Precision.Denoiser})");
        }

        if (least.Reward > 0.2 * least.Peak)
        {
            ways.Add($"load the reward with a smaller {nameof(VideoModelOptions.Precision)}");
        }

        if (tried.Optimizer.BatchSize > 1)
        {
            ways.Add($"a smaller {OptionFaults.Name(tried.Optimizer.BatchSize)} (now {tried.Optimizer.BatchSize}), with "
                + $"{OptionFaults.Name(tried.Optimizer.AccumulationSteps)} in its place");
        }

        VideoSize size = tried.Sampling.ResolveSize(model);
        ways.Add(string.Create(
            CultureInfo.InvariantCulture,
            $"smaller {OptionFaults.Name(tried.Sampling.Frames)}, {OptionFaults.Name(tried.Sampling.Height)} or {OptionFaults.Name(tried.Sampling.Width)} "
                + $"(now {size.Frames} x {size.Height} x {size.Width})"));
        if (least.Adapters > 0.2 * least.Peak)
        {
            ways.Add(string.Create(
                CultureInfo.InvariantCulture,
                    $"a smaller {OptionFaults.Name(tried.Lora.Rank)} (now {tried.Lora.Rank}) or fewer {OptionFaults.Name(tried.Lora.Layers)}"));
        }

        string parts = string.Join(", ", least.PeakParts.Select(part => $"{part.Name} {MemoryEstimate.InMegabytes(part.Bytes)}"));
        return $"No plan trains {least.Name} within {MemoryEstimate.InMegabytes(budget)}: the least possible is {MemoryEstimate.InMegabytes(least.Peak)}, "
            + $"and its largest part is {driver} with {MemoryEstimate.InMegabytes(bytes)} ({parts}{least.Remark}). "
            + $"What would lower it: {string.Join("; ", ways)}. "
            + $"Tried: {string.Join(", ", _tried.Select(step => $"{step.Change} {MemoryEstimate.InMegabytes(step.Bytes)}"))}.";
    }

    // Bytes of the weights in this precision, or as now where that is less; approximate, since small layers, which keep theirs, are not told from large ones.
    private long WeightBytes(WeightPrecision precision) => model.Networks.Values.SelectMany(TrainingDryRun.Stored).Sum(tensor =>
        tensor.numel() * Math.Min(tensor.element_size(), precision == WeightPrecision.Int8 && tensor.ndim > 1 ? 1 : 2));
}
