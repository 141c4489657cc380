using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Sampling;

namespace Microsoft.ML.VideoAlignment.Algorithms.DiffusionDpo;

/// <summary>A step of Diffusion-DPO on shapes.</summary>
internal static class DiffusionDpoDryRun
{
    /// <summary>Samples and scores the last batch of a rollout, and learns from one micro-batch of its pairs.</summary>
    /// <param name="run">The run, whose model is on the meta device.</param>
    /// <param name="adapters">The adapters of the model's denoiser.</param>
    /// <param name="options">The algorithm's options.</param>
    public static void Run(TrainingRun run, LoraAdapters adapters, DiffusionDpoOptions options)
    {
        using DisposeScope scope = NewDisposeScope();
        (VideoDiffusionModel model, SamplingSettings sampling, int videos) = (run.Model, run.Sampling, run.Optimizer.BatchSize);
        TrainingRun few = RolloutDryRun.Shorten(run, RolloutDryRun.DenoisingSteps + model.CreateSampler(sampling).HistoryLength);
        using var trainer = new DiffusionDpoTrainer(few, adapters, options);
        int pairs = options.PairsOfRollout(run.Optimizer.VideosPerStep), candidates = pairs * options.CandidatesPerPrompt;
        long[] one = model.LatentShape(1, sampling.Size);
        using (DisposeScope rollout = NewDisposeScope())
        {
            Tensor others = MetaSegment.EmptyTensor([Math.Max(0, candidates - videos), .. one[1..]]);
            Condition? told = candidates > videos ? model.EmptyCondition(candidates - videos, sampling.Size) : null;
            int steps = model.CreateSampler(few.Sampling).Timesteps.Count;
            RolloutDryRun.Score(run, trainer.Sample(MetaSegment.Create(model, few.Sampling, videos, GradientPlan.None(steps))));
        }

        // Waiting pairs, each with its condition, and the batch that is taken from them.
        Tensor waiting = MetaSegment.EmptyTensor([2 * pairs, .. one[1..]]);
        Condition conditions = model.EmptyCondition(pairs, sampling.Size);
        trainer.Backward(new PreferenceBatch(
            MetaSegment.EmptyTensor([2 * videos, .. one[1..]]), MetaSegment.EmptyTensor([videos, .. one[1..]]), [.. Enumerable.Repeat(0L, videos)],
            model.EmptyCondition(videos, sampling.Size)));
    }
}
