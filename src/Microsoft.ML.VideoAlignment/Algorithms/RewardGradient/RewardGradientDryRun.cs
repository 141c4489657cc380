using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Schedulers;

namespace Microsoft.ML.VideoAlignment.Algorithms.RewardGradient;

/// <summary>A step of VADER on shapes. Steps outside the window are all alike, so a few represent them.</summary>
internal static class RewardGradientDryRun
{
    /// <summary>Runs a micro-batch forward and backward.</summary>
    /// <param name="run">The run, whose model is on the meta device; its loss is not read.</param>
    /// <param name="adapters">The adapters of the model's denoiser.</param>
    /// <param name="options">The algorithm's options.</param>
    public static void Run(TrainingRun run, LoraAdapters adapters, RewardGradientOptions options)
    {
        GradientWindow window = options.ResolveWindow(run.Model);
        (SamplingSettings sampling, GradientPlan plan) = Shorten(run, window);
        using var trainer = new RewardGradientTrainer(run with { Sampling = sampling, Loss = RewardLoss.Maximize() }, adapters, options);
        trainer.Backward(CreateRollout(run, sampling, plan, window.Copies));
    }

    // The run's gradient steps, as many and as far apart as they are, with one step before them and one after where there are any.
    private static (SamplingSettings Sampling, GradientPlan Plan) Shorten(TrainingRun run, GradientWindow window)
    {
        ISampler sampler = run.Model.CreateSampler(run.Sampling);
        GradientPlan plan = window.Resolve(sampler, static _ => 0);
        int[] withGradient = [.. plan.GradientSteps];
        int end = Math.Min(plan.Stop + 1 ?? plan.Count, plan.Count), after = Math.Min(1, end - 1 - withGradient[^1]);
        int length = Math.Min(1, withGradient[0]) + withGradient[^1] - withGradient[0] + 1 + after;
        SamplingSettings few = ShortenedSampling.Create(run.Model, run.Sampling, length);
        int count = run.Model.CreateSampler(few).Timesteps.Count, first = count - after - (withGradient[^1] - withGradient[0] + 1);
        return first < 0
            ? (run.Sampling, plan)
            : (few, GradientPlan.Chosen(count, withGradient.Select(step => step - withGradient[0] + first).ToHashSet(), plan[withGradient[0]].DetachInput));
    }

    // Copies of the finished latents are run one after another and are all alike: one represents them.
    private static Rollout CreateRollout(TrainingRun run, SamplingSettings sampling, GradientPlan plan, int copies)
    {
        int videos = run.Optimizer.BatchSize;
        SegmentInputs Segment() => MetaSegment.Create(run.Model, sampling, videos, plan);
        return new Rollout
        {
            Prompts = MetaSegment.EmptyPrompts(videos),
            First = Segment(),
            Frames = run.Frames.Select(sampling.RewardFrameCount(run.Model), static _ => 0),
            Copies = [.. Enumerable.Repeat(() => MetaSegment.EmptyTensor(run.Model.LatentShape(videos, sampling.Size)), Math.Min(1, copies - 1))],
            Later = [.. Enumerable.Repeat<Func<Tensor, SegmentInputs>>(_ => Segment(), sampling.SegmentCount - 1)],
        };
    }
}
