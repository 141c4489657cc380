using Microsoft.ML.VideoAlignment.Algorithms.Ddpo;
using Microsoft.ML.VideoAlignment.Algorithms.DiffusionDpo;
using Microsoft.ML.VideoAlignment.Algorithms.RewardGradient;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Schedulers;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Algorithms;

/// <summary>
/// Runs a training step of the algorithm's own trainer on a model that has shapes and no memory, under a memory profiler: the peak of each phase comes from the
/// code that will run, not from a formula about it. Steps outside the window are all alike, so a few represent them.
/// </summary>
internal sealed class TrainingDryRun
{
    private readonly VideoDiffusionModel _model;
    private readonly LoraAdapters _adapters;
    private readonly VideoReward _reward;
    private readonly DeviceType _device;

    private TrainingDryRun(VideoDiffusionModel model, LoraAdapters adapters, VideoReward reward, DeviceType device) =>
        (_model, _adapters, _reward, _device) = (model, adapters, reward, device);

    /// <summary>Measures the peak of each phase.</summary>
    /// <param name="model">A model made by <see cref="VideoDiffusionModel.ToMeta"/>.</param>
    /// <param name="adapters">The adapters of its denoiser.</param>
    /// <param name="reward">A reward that can score shapes.</param>
    /// <param name="settings">The settings of the run and its algorithm. The loss is ignored, and validation prompts are counted, not read.</param>
    /// <param name="device">The kind of device that the run will use.</param>
    /// <returns>
    /// The peaks of a training step, of a finished video and of a validation, in bytes of activations: without weights, factors and their gradients; with
    /// weights that have adapters merged into them, and with what an algorithm keeps from one step to the next.
    /// </returns>
    public static DryRunPeaks Run(VideoDiffusionModel model, LoraAdapters adapters, VideoReward reward, TrainingSettings settings, DeviceType device)
    {
        var run = new TrainingDryRun(model, adapters, reward, device);
        int validated = Math.Min(settings.BatchSize, settings.ValidationPrompts.Count);
        return new DryRunPeaks(
            run.Profiled(() => run.Train(settings)),
            run.Profiled(() => run.Generate(settings)).Values.Max(),
            validated == 0 ? 0 : run.Profiled(() => run.Measure(settings, validated)).Values.Max());
    }

    /// <summary>Lists the stored tensors of a network: parameters and buffers.</summary>
    /// <param name="network">The network.</param>
    public static IEnumerable<Tensor> Stored(nn.Module network) => network.parameters().Concat(network.buffers());

    private Dictionary<RunStage, long> Profiled(Action work)
    {
        using DisposeScope scope = NewDisposeScope();
        IEnumerable<Tensor> apart = [.. _model.Networks.Values.SelectMany(Stored), .. _adapters.Parameters, .. _reward.Stored];
        using var meter = new MemoryProfiler([.. apart.Where(MetaOps.IsMeta)], _device);
        work();
        return Enum.GetValues<RunStage>().ToDictionary(stage => stage, stage => meter[stage]);
    }

    private void Train(TrainingSettings settings)
    {
        switch (settings)
        {
            case DdpoSettings ddpo:
                new RolloutDryRun(_model, _adapters, _reward).RunDdpo(ddpo);
                break;
            case DiffusionDpoSettings dpo:
                new RolloutDryRun(_model, _adapters, _reward).RunDiffusionDpo(dpo);
                break;
            case RewardGradientSettings gradient:
                (SamplingSettings sampling, GradientPlan plan) = Shortened(gradient);
                using (var trainer = new RewardGradientTrainer(_model, _reward, _adapters, gradient with { Sampling = sampling, Loss = RewardLoss.Maximize() }))
                {
                    trainer.Backward(Rollout(gradient, sampling, plan));
                }

                break;
            default:
                throw new NotSupportedException(settings.GetType().Name);
        }
    }

    private void Generate(TrainingSettings settings) => GenerateShortened(settings, videos: 1, (generator, prepare) => generator.Generate(prepare, _adapters));

    // What ValidationEvaluator does with each batch.
    private void Measure(TrainingSettings settings, int videos)
    {
        IReadOnlyList<int> shown = settings.Frames.Select(settings.Sampling.RewardFrameCount(_model), static _ => 0);
        IReadOnlyList<int>[] each = [.. Enumerable.Repeat(shown, videos)];
        using Tensor frames = GenerateShortened(settings, videos, (generator, prepare) => generator.GenerateForReward(prepare, each, _adapters));
        using IDisposable guard = no_grad();
        RunContext.Enter(RunStage.Scoring);
        using Tensor scores = _reward.Score(frames, MetaSegment.EmptyPrompts(videos));
    }

    // Generates in the fewest steps that have the peak of all.
    private Tensor GenerateShortened(TrainingSettings settings, int videos, Func<VideoGenerator, Func<int, Tensor?, SegmentInputs>, Tensor> generate)
    {
        ISampler sampler = _model.CreateSampler(settings.Sampling);
        SamplingSettings few = settings.Sampling with { Steps = Math.Min(settings.Sampling.Steps, Math.Max(2, 1 + sampler.HistoryLength)), Sigmas = null };
        GradientPlan plan = GradientPlan.None(_model.CreateSampler(few).Timesteps.Count);
        return generate(new VideoGenerator(_model, few), (_, _) => MetaSegment.Create(_model, few, videos, plan));
    }

    // The run's gradient steps, as many and as far apart as they are, with one step before them and one after where there are any.
    private (SamplingSettings Sampling, GradientPlan Plan) Shortened(RewardGradientSettings settings)
    {
        ISampler sampler = _model.CreateSampler(settings.Sampling);
        GradientPlan plan = settings.Window.Resolve(sampler, static _ => 0);
        int[] withGradient = [.. plan.GradientSteps];
        int end = Math.Min(plan.Stop + 1 ?? plan.Count, plan.Count), after = Math.Min(1, end - 1 - withGradient[^1]);
        int length = Math.Min(1, withGradient[0]) + withGradient[^1] - withGradient[0] + 1 + after;
        SamplingSettings few = settings.Sampling with { Steps = Math.Min(length, settings.Sampling.Steps), Sigmas = null };
        int count = _model.CreateSampler(few).Timesteps.Count, first = count - after - (withGradient[^1] - withGradient[0] + 1);
        return first < 0
            ? (settings.Sampling, plan)
            : (few, GradientPlan.Chosen(count, withGradient.Select(step => step - withGradient[0] + first).ToHashSet(), plan[withGradient[0]].DetachInput));
    }

    // Copies of the finished latents are run one after another and are all alike: one represents them.
    private Rollout Rollout(RewardGradientSettings settings, SamplingSettings sampling, GradientPlan plan)
    {
        SegmentInputs Segment() => MetaSegment.Create(_model, sampling, settings.BatchSize, plan);
        return new Rollout
        {
            Prompts = MetaSegment.EmptyPrompts(settings.BatchSize),
            First = Segment(),
            Frames = settings.Frames.Select(sampling.RewardFrameCount(_model), static _ => 0),
            Copies =
            [
                .. Enumerable.Repeat(() => MetaSegment.EmptyTensor(_model.LatentShape(settings.BatchSize, sampling.Size)),
                    Math.Min(1, settings.Window.Copies - 1)),
            ],
            Later = [.. Enumerable.Repeat<Func<Tensor, SegmentInputs>>(_ => Segment(), sampling.SegmentCount - 1)],
        };
    }
}

/// <summary>Most bytes that are alive at a time.</summary>
/// <param name="Training">In each stage of a training step.</param>
/// <param name="Generation">While a finished video is generated without gradient and decoded part by part.</param>
/// <param name="Validation">While validation videos are generated and scored; 0 where there are none.</param>
internal sealed record DryRunPeaks(IReadOnlyDictionary<RunStage, long> Training, long Generation, long Validation);
