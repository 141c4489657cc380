using System.Globalization;
using Microsoft.ML.VideoAlignment.Training;

namespace Microsoft.ML.VideoAlignment;

/// <summary>Finds a <see cref="MemoryPlan"/>: every estimate is a training step on shapes, so what is said of a trick is what the code does.</summary>
internal sealed class MemoryPlanner(VideoDiffusionModel model, VideoAlignmentOptions options, long budget, VideoReward? reward)
{
    /// <summary>A saving below this part of what a plan can change is no reason to spend time.</summary>
    private const double Worthwhile = 0.01;

    private readonly List<MemoryPlanStep> _tried = [];

    /// <summary>A change of the options.</summary>
    private sealed record MemoryOption(string Name, Func<VideoAlignmentOptions, VideoAlignmentOptions> Apply);

    public MemoryPlan Find()
    {
        VideoAlignmentOptions plain = options with { MemoryBudget = null, Recompute = ActivationRecompute.None, OffloadActivations = false };
        MemoryEstimate best = Try("everything kept", plain);
        var kept = new List<MemoryOption>();
        foreach (MemoryOption trick in MemoryOptions())
        {
            if (best.Peak <= budget)
            {
                break;
            }

            MemoryEstimate estimate = Try(trick.Name, With(plain, [.. kept, trick]));
            bool saves = best.Peak - estimate.Peak > Worthwhile * (best.Peak - best.Runtime);
            Judge(saves ? "kept" : "saves nothing here");
            if (saves)
            {
                kept.Add(trick);
                best = estimate;
            }
        }

        if (best.Peak > budget)
        {
            throw new InsufficientMemoryException(Impossible(best, With(plain, kept)));
        }

        // What a later trick has made superfluous goes again, the dearest first; the last one is what made it fit.
        foreach (MemoryOption trick in kept.SkipLast(1).Reverse().ToList())
        {
            List<MemoryOption> without = [.. kept.Where(other => other != trick)];
            MemoryEstimate estimate = Try($"without {trick.Name}", With(plain, without));
            Judge(estimate.Peak <= budget ? "not needed" : "needed");
            if (estimate.Peak <= budget)
            {
                (kept, best) = (without, estimate);
            }
        }

        return MemoryPlan.Create(With(plain, kept), best, budget, _tried);
    }

    /// <summary>What acts for the algorithm: first what costs least time; last what changes numbers.</summary>
    private IEnumerable<MemoryOption> MemoryOptions()
    {
        bool gpu = model.Device.type == DeviceType.CUDA, follows = options.Algorithm.NeedsRewardGradient;
        int shown = !follows ? 1 : options.FramesFor(reward).Count(options.SamplingFor(model).RewardFrameCount(model));
        for (int frames = (Math.Min(shown, options.FramesPerDecode ?? shown) + 1) / 2; frames >= 1 && shown > 1; frames = frames == 1 ? 0 : (frames + 1) / 2)
        {
            int count = frames;
            if (count < (options.FramesPerDecode ?? shown))
            {
                yield return new MemoryOption(string.Create(CultureInfo.InvariantCulture, $"{nameof(options.FramesPerDecode)} = {count}"), given => given with { FramesPerDecode = count });
            }
        }

        if (gpu && follows && !options.OffloadIdleNetworks && options.SegmentCount == 1)
        {
            yield return new MemoryOption($"{nameof(options.OffloadIdleNetworks)} = true", given => given with { OffloadIdleNetworks = true });
        }

        yield return new MemoryOption($"{nameof(options.Recompute)} = {ActivationRecompute.Blocks}", given => given with { Recompute = ActivationRecompute.Blocks });
        if (gpu)
        {
            yield return new MemoryOption($"{nameof(options.OffloadActivations)} = true", given => given with { Recompute = ActivationRecompute.Blocks, OffloadActivations = true });
        }

        // Diffusion-DPO's graded call is no denoising step: it comes from no other and leads to none.
        if (options.Algorithm is not AlignmentAlgorithm.Preferences)
        {
            yield return new MemoryOption($"{nameof(options.Recompute)} = {ActivationRecompute.Steps}", given => given with { Recompute = ActivationRecompute.Steps });
        }

        if (options.OptimizerState != OptimizerState.EightBit)
        {
            yield return new MemoryOption($"{nameof(options.OptimizerState)} = {OptimizerState.EightBit}", given => given with { OptimizerState = OptimizerState.EightBit });
        }
    }

    private static VideoAlignmentOptions With(VideoAlignmentOptions plain, IEnumerable<MemoryOption> tricks) => tricks.Aggregate(plain, (given, trick) => trick.Apply(given));

    private MemoryEstimate Try(string change, VideoAlignmentOptions tried)
    {
        MemoryEstimate estimate = model.EstimateMemory(tried, reward);
        _tried.Add(new MemoryPlanStep(change, estimate.Peak, estimate.Peak <= budget ? "fits" : ""));
        return estimate;
    }

    private void Judge(string verdict) => _tried[^1] = _tried[^1] with { Verdict = _tried[^1].Verdict.Length > 0 ? $"{verdict}, fits" : verdict };

    private string Impossible(MemoryEstimate least, VideoAlignmentOptions tried)
    {
        (string driver, long bytes) = least.Parts.MaxBy(part => part.Bytes);
        var ways = new List<string>();
        foreach (WeightPrecision precision in new[] { WeightPrecision.Float16, WeightPrecision.Int8 })
        {
            if (Stored(precision) is var stored && stored < 0.9 * least.Weights)
            {
                ways.Add($"load the model with {nameof(VideoModelOptions)}.{nameof(VideoModelOptions.Precision)} = {precision}, for about {MemoryEstimate.InMegabytes(least.Peak - least.Weights + stored)}");
            }
        }

        if (least.Reward > 0.2 * least.Peak)
        {
            ways.Add($"load the reward with a smaller {nameof(VideoModelOptions.Precision)}");
        }

        if (tried.BatchSize > 1)
        {
            ways.Add(string.Create(CultureInfo.InvariantCulture, $"a smaller {nameof(tried.BatchSize)} (now {tried.BatchSize}), with {nameof(tried.AccumulationSteps)} in its place"));
        }

        VideoSize size = tried.SizeFor(model);
        ways.Add(string.Create(CultureInfo.InvariantCulture, $"smaller {nameof(tried.Frames)}, {nameof(tried.Height)} or {nameof(tried.Width)} (now {size.Frames} x {size.Height} x {size.Width})"));
        if (least.Adapters > 0.2 * least.Peak)
        {
            ways.Add(string.Create(CultureInfo.InvariantCulture, $"a smaller {nameof(tried.LoraRank)} (now {tried.LoraRank}) or fewer {nameof(tried.LoraLayers)}"));
        }

        return $"No plan trains {least.Name} within {MemoryEstimate.InMegabytes(budget)}: the least possible is {MemoryEstimate.InMegabytes(least.Peak)}, "
            + $"and what drives it is {driver} with {MemoryEstimate.InMegabytes(bytes)} "
            + $"({string.Join(", ", least.Parts.Select(part => $"{part.Name} {MemoryEstimate.InMegabytes(part.Bytes)}"))}{least.Remark}). What would lower it: {string.Join("; ", ways)}. "
            + $"Tried: {string.Join(", ", _tried.Select(step => $"{step.Change} {MemoryEstimate.InMegabytes(step.Bytes)}"))}.";
    }

    /// <summary>Bytes of the weights if they were stored so, or as now where that is less; nearly, as small layers are not told from large ones.</summary>
    private long Stored(WeightPrecision precision) => model.Networks.Values.SelectMany(TrainingDryRun.Stored).Sum(tensor =>
        tensor.numel() * Math.Min(tensor.element_size(), precision == WeightPrecision.Int8 && tensor.ndim > 1 ? 1 : 2));
}
