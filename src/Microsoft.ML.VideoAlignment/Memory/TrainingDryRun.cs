using Microsoft.ML.VideoAlignment.Algorithms;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Rewards;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Schedulers;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Memory;

/// <summary>
/// Runs a training step of an algorithm's own trainer on a model that has shapes and no memory, under a memory profiler: the peak of each phase comes from the
/// code that will run, not from a formula about it.
/// </summary>
internal sealed class TrainingDryRun
{
    private readonly TrainingRun _run;
    private readonly LoraAdapters _adapters;
    private readonly DeviceType _device;

    private TrainingDryRun(TrainingRun run, LoraAdapters adapters, DeviceType device) => (_run, _adapters, _device) = (run, adapters, device);

    /// <summary>Measures the peak of each phase.</summary>
    /// <param name="run">
    /// The run: a model made by <see cref="VideoDiffusionModel.ToMeta"/>, a reward that can score shapes, and validation prompts, which are counted, not read.
    /// </param>
    /// <param name="algorithm">The algorithm.</param>
    /// <param name="adapters">The adapters of the model's denoiser.</param>
    /// <param name="device">The kind of device that the run will use.</param>
    /// <returns>
    /// The peaks of a training step, of a finished video and of a validation, in bytes of activations: without weights, factors and their gradients; with
    /// weights that have adapters merged into them, and with what an algorithm keeps from one step to the next.
    /// </returns>
    public static DryRunPeaks Run(TrainingRun run, IAlgorithm algorithm, LoraAdapters adapters, DeviceType device)
    {
        var dry = new TrainingDryRun(run, adapters, device);
        int validated = Math.Min(run.Optimizer.BatchSize, run.ValidationPrompts.Count);
        return new DryRunPeaks(
            dry.Profile(() => algorithm.DryRun(run, adapters)),
            dry.Profile(() => dry.GenerateOne()).Values.Max(),
            validated == 0 ? 0 : dry.Profile(() => dry.Validate(validated)).Values.Max());
    }

    /// <summary>Lists the stored tensors of a network: parameters and buffers.</summary>
    /// <param name="network">The network.</param>
    public static IEnumerable<Tensor> Stored(nn.Module network) => network.parameters().Concat(network.buffers());

    private Dictionary<RunStage, long> Profile(Action work)
    {
        using DisposeScope scope = NewDisposeScope();
        IEnumerable<Tensor> apart = [.. _run.Model.Networks.Values.SelectMany(Stored), .. _adapters.Parameters, .. _run.Reward.Stored];
        using var meter = new MemoryProfiler([.. apart.Where(MetaOps.IsMeta)], _device);
        work();
        return Enum.GetValues<RunStage>().ToDictionary(stage => stage, stage => meter[stage]);
    }

    private void GenerateOne() => GenerateShortened(videos: 1, (generator, prepare) => generator.Generate(prepare, _adapters));

    // What ValidationEvaluator does with each batch.
    private void Validate(int videos)
    {
        IReadOnlyList<int> shown = _run.Frames.Select(_run.Sampling.RewardFrameCount(_run.Model), static _ => 0);
        IReadOnlyList<int>[] each = [.. Enumerable.Repeat(shown, videos)];
        using Tensor frames = GenerateShortened(videos, (generator, prepare) => generator.GenerateForReward(prepare, each, _adapters));
        using IDisposable guard = no_grad();
        RunContext.Enter(RunStage.Scoring);
        using Tensor scores = WindowedScoring.Score(_run, frames, MetaSegment.EmptyPrompts(videos), ScoreUse.Validation);
    }

    // Generates in the fewest steps that have the peak of all.
    private Tensor GenerateShortened(int videos, Func<VideoGenerator, Func<int, Tensor?, SegmentInputs>, Tensor> generate)
    {
        ISampler sampler = _run.Model.CreateSampler(_run.Sampling);
        SamplingSettings few = ShortenedSampling.Create(_run.Model, _run.Sampling, Math.Max(2, 1 + sampler.HistoryLength));
        GradientPlan plan = GradientPlan.None(_run.Model.CreateSampler(few).Timesteps.Count);
        return generate(new VideoGenerator(_run.Model, few), (_, _) => MetaSegment.Create(_run.Model, few, videos, plan));
    }
}

/// <summary>Most bytes that are alive at a time.</summary>
/// <param name="Training">In each stage of a training step.</param>
/// <param name="Generation">While a finished video is generated without gradient and decoded part by part.</param>
/// <param name="Validation">While validation videos are generated and scored; 0 where there are none.</param>
internal sealed record DryRunPeaks(IReadOnlyDictionary<RunStage, long> Training, long Generation, long Validation);
