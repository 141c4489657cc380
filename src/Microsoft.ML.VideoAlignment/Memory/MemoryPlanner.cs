using System.Globalization;
using Microsoft.ML.VideoAlignment.Algorithms;
using Microsoft.ML.VideoAlignment.Sampling;

namespace Microsoft.ML.VideoAlignment.Memory;

/// <summary>Finds a <see cref="MemoryPlan"/>; every estimate is a training step on shapes, so that it describes what the code does.</summary>
/// <param name="model">The base model, on the device of the run.</param>
/// <param name="options">The options of the run.</param>
/// <param name="budget">The most that the run may take, in bytes.</param>
/// <param name="reward">The reward; null: one that scores frames separately and takes no memory.</param>
internal sealed class MemoryPlanner(VideoDiffusionModel model, VideoAlignmentOptions options, long budget, VideoReward? reward)
{
    /// <summary>The least saving that is worth the time, as a share of what a plan can change.</summary>
    private const double Worthwhile = 0.01;

    private readonly List<MemoryPlanStep> _tried = [];

    // A change of the options, and its name in the plan.
    private sealed record MemoryOption(string Name, Func<VideoAlignmentOptions, VideoAlignmentOptions> Apply);

    /// <summary>Searches as <see cref="MemoryPlan.For"/> describes.</summary>
    /// <exception cref="InsufficientMemoryException">No plan fits.</exception>
    public MemoryPlan Find()
    {
        VideoAlignmentOptions plain = options with { MemoryBudget = null, Recompute = ActivationRecompute.None, OffloadActivations = false };
        MemoryEstimate best = Try("everything kept", plain);
        var kept = new List<MemoryOption>();
        foreach (MemoryOption change in MemoryOptions())
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

        if (best.Peak > budget)
        {
            throw new InsufficientMemoryException(DescribeFailure(best, Apply(plain, kept)));
        }

        // What a later option has made unnecessary is removed again, the most expensive first; the last one made the plan fit.
        foreach (MemoryOption change in kept.SkipLast(1).Reverse().ToList())
        {
            List<MemoryOption> without = [.. kept.Where(other => other != change)];
            MemoryEstimate estimate = Try($"without {change.Name}", Apply(plain, without));
            RecordVerdict(estimate.Peak <= budget ? "not needed" : "needed");
            if (estimate.Peak <= budget)
            {
                (kept, best) = (without, estimate);
            }
        }

        return MemoryPlan.Create(Apply(plain, kept), best, budget, _tried);
    }

    // What has an effect for the algorithm, in order of the time it costs; what changes numbers is last.
    private IEnumerable<MemoryOption> MemoryOptions()
    {
        bool gpu = model.Device.type == DeviceType.CUDA, follows = options.Algorithm.NeedsRewardGradient;
        int shown = !follows ? 1 : options.ResolveFrames(reward).Count(options.ResolveSampling(model).RewardFrameCount(model));
        for (int frames = (Math.Min(shown, options.FramesPerDecode ?? shown) + 1) / 2; frames >= 1 && shown > 1; frames = frames == 1 ? 0 : (frames + 1) / 2)
        {
            int count = frames;
            if (count < (options.FramesPerDecode ?? shown))
            {
                string name = string.Create(CultureInfo.InvariantCulture, $"{nameof(options.FramesPerDecode)} = {count}");
                yield return new MemoryOption(name, given => given with { FramesPerDecode = count });
            }
        }

        if (gpu && follows && !options.OffloadIdleNetworks && options.SegmentCount == 1)
        {
            yield return new MemoryOption($"{nameof(options.OffloadIdleNetworks)} = true", given => given with { OffloadIdleNetworks = true });
        }

        yield return new MemoryOption(
            $"{nameof(options.Recompute)} = {ActivationRecompute.Blocks}", given => given with { Recompute = ActivationRecompute.Blocks });
        if (gpu)
        {
            yield return new MemoryOption(
                $"{nameof(options.OffloadActivations)} = true", given => given with { Recompute = ActivationRecompute.Blocks, OffloadActivations = true });
        }

        // Diffusion-DPO's call with gradient is not a denoising step: none leads to it, and it leads to none.
        if (options.Algorithm is not AlignmentAlgorithm.Preferences)
        {
            yield return new MemoryOption(
                $"{nameof(options.Recompute)} = {ActivationRecompute.Steps}", given => given with { Recompute = ActivationRecompute.Steps });
        }

        if (options.OptimizerState != OptimizerState.EightBit)
        {
            yield return new MemoryOption(
                $"{nameof(options.OptimizerState)} = {OptimizerState.EightBit}", given => given with { OptimizerState = OptimizerState.EightBit });
        }
    }

    private static VideoAlignmentOptions Apply(VideoAlignmentOptions plain, IEnumerable<MemoryOption> changes) =>
        changes.Aggregate(plain, (given, change) => change.Apply(given));

    private MemoryEstimate Try(string change, VideoAlignmentOptions tried)
    {
        MemoryEstimate estimate = model.EstimateMemory(tried, reward);
        _tried.Add(new MemoryPlanStep(change, estimate.Peak, estimate.Peak <= budget ? "fits" : ""));
        return estimate;
    }

    private void RecordVerdict(string verdict) => _tried[^1] = _tried[^1] with { Verdict = _tried[^1].Verdict.Length > 0 ? $"{verdict}, fits" : verdict };

    private string DescribeFailure(MemoryEstimate least, VideoAlignmentOptions tried)
    {
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

        if (least.Reward > 0.2 * least.Peak)
        {
            ways.Add($"load the reward with a smaller {nameof(VideoModelOptions.Precision)}");
        }

        if (tried.BatchSize > 1)
        {
            ways.Add($"a smaller {nameof(tried.BatchSize)} (now {tried.BatchSize}), with {nameof(tried.AccumulationSteps)} in its place");
        }

        VideoSize size = tried.ResolveSize(model);
        ways.Add(string.Create(
            CultureInfo.InvariantCulture,
            $"smaller {nameof(tried.Frames)}, {nameof(tried.Height)} or {nameof(tried.Width)} (now {size.Frames} x {size.Height} x {size.Width})"));
        if (least.Adapters > 0.2 * least.Peak)
        {
            ways.Add(string.Create(
                CultureInfo.InvariantCulture, $"a smaller {nameof(tried.LoraRank)} (now {tried.LoraRank}) or fewer {nameof(tried.LoraLayers)}"));
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
