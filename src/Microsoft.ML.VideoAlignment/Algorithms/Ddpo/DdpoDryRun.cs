using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Schedulers;

namespace Microsoft.ML.VideoAlignment.Algorithms.Ddpo;

/// <summary>A step of DDPO on shapes.</summary>
/// <param name="run">The run, whose model is on the meta device.</param>
/// <param name="options">The algorithm's options.</param>
internal sealed class DdpoDryRun(TrainingRun run, DdpoOptions options)
{
    private readonly int _videos = run.Optimizer.BatchSize;
    private readonly int _steps = run.Model.PolicyScheduler.CreatePolicy(run.Sampling.Steps, options.Eta).Timesteps.Count;

    /// <summary>Samples and scores the last batch of a rollout, and learns from its first micro-batch.</summary>
    /// <param name="adapters">The adapters of the model's denoiser.</param>
    public void Run(LoraAdapters adapters)
    {
        using DisposeScope scope = NewDisposeScope();
        TrainingRun few = RolloutDryRun.Shorten(run, RolloutDryRun.DenoisingSteps);
        IPolicySampler policy = run.Model.PolicyScheduler.CreatePolicy(few.Sampling.Steps, options.Eta);
        using var trainer = new DdpoTrainer(few, adapters, options with { TimestepFraction = 1, InnerEpochs = 1 }, policy);
        int batches = options.SamplesOfRollout(run.Optimizer.VideosPerStep) / _videos;
        List<PolicySamples> parts = [.. Enumerable.Range(0, batches - 1).Select(_ => Samples())];
        using (NewDisposeScope())
        {
            long[] one = run.Model.LatentShape(1, run.Sampling.Size);
            Tensor others = MetaSegment.EmptyTensor([_videos, Math.Max(0, _steps - policy.Timesteps.Count), .. one[1..]]);
            trainer.Sample(MetaSegment.Create(run.Model, run.Sampling, _videos, GradientPlan.None(policy.Timesteps.Count)));
        }

        parts.Add(Samples());
        RolloutDryRun.Score(run, parts[^1].Latents);
        var joined = PolicySamples.Join(parts);
        parts.ForEach(part => part.Dispose());
        double[] zeros = new double[batches * _videos];
        var order = new MinibatchOrder([.. Enumerable.Range(0, zeros.Length)], [.. zeros.Select(_ => Enumerable.Range(0, _steps).ToArray())]);
        using RolloutBuffer epoch = trainer.Begin(joined, zeros, zeros, [order]);
        trainer.Backward(epoch);
    }

    private PolicySamples Samples()
    {
        SegmentInputs segment = MetaSegment.Create(run.Model, run.Sampling, _videos, GradientPlan.None(_steps));
        using Tensor start = segment.Start; // freed by then: the trajectory has a copy
        return new PolicySamples(
            MetaSegment.EmptyTensor([_videos, _steps + 1, .. start.shape[1..]]), MetaSegment.EmptyTensor(_videos, _steps), segment.Condition,
            segment.Unconditional);
    }
}
