using Microsoft.ML.VideoAlignment.Algorithms.Ddpo;
using Microsoft.ML.VideoAlignment.Algorithms.DiffusionDpo;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Schedulers;

namespace Microsoft.ML.VideoAlignment.Algorithms;

/// <summary>
/// The part of <see cref="TrainingDryRun"/> for trainers that learn from a rollout: their own code samples and scores the last batch and learns from one
/// micro-batch, in few denoising steps, beside tensors of the size of everything that the rollout has gathered by then.
/// </summary>
/// <param name="model">A model made by <see cref="VideoDiffusionModel.ToMeta"/>.</param>
/// <param name="adapters">The adapters of its denoiser.</param>
/// <param name="reward">A reward that can score shapes.</param>
internal sealed class RolloutDryRun(VideoDiffusionModel model, LoraAdapters adapters, VideoReward reward)
{
    /// <summary>The denoising steps that are run: one like the others, and one before it that leaves something.</summary>
    private const int DenoisingSteps = 2;

    /// <summary>Runs a step of DDPO.</summary>
    /// <param name="settings">The settings of the run.</param>
    public void RunDdpo(DdpoSettings settings)
    {
        using DisposeScope scope = NewDisposeScope();
        (SamplingSettings sampling, int videos) = (settings.Sampling, settings.BatchSize);
        int steps = model.PolicyScheduler.CreatePolicy(sampling.Steps, settings.Ddpo.Eta).Timesteps.Count;
        IPolicySampler policy = model.PolicyScheduler.CreatePolicy(Math.Min(DenoisingSteps, sampling.Steps), settings.Ddpo.Eta);
        DdpoSettings one = settings with
        {
            Sampling = sampling with { Steps = Math.Min(DenoisingSteps, sampling.Steps), Sigmas = null },
            AccumulationSteps = 1,
            Ddpo = settings.Ddpo with { TimestepFraction = 1, InnerEpochs = 1 },
        };
        using var trainer = new DdpoTrainer(model, reward, adapters, one, policy);
        int batches = settings.Ddpo.SamplesOfRollout(videos * settings.AccumulationSteps) / videos;
        List<PolicySamples> parts = [.. Enumerable.Range(0, batches - 1).Select(_ => Samples())];
        using (NewDisposeScope())
        {
            Tensor others = MetaSegment.EmptyTensor([videos, Math.Max(0, steps - policy.Timesteps.Count), .. model.LatentShape(1, sampling.Size)[1..]]);
            trainer.Sample(MetaSegment.Create(model, sampling, videos, GradientPlan.None(policy.Timesteps.Count)));
        }

        parts.Add(Samples());
        Score(parts[^1].Latents, sampling, videos, settings.Frames, settings.Loss);
        var joined = PolicySamples.Join(parts);
        parts.ForEach(part => part.Dispose());
        double[] zeros = new double[batches * videos];
        var order = new MinibatchOrder([.. Enumerable.Range(0, zeros.Length)], [.. zeros.Select(_ => Enumerable.Range(0, steps).ToArray())]);
        using RolloutBuffer epoch = trainer.Begin(joined, zeros, zeros, [order]);
        trainer.Backward(epoch);

        PolicySamples Samples()
        {
            SegmentInputs segment = MetaSegment.Create(model, sampling, videos, GradientPlan.None(steps));
            using Tensor start = segment.Start; // freed by then: the trajectory has a copy
            return new PolicySamples(
                MetaSegment.EmptyTensor([videos, steps + 1, .. start.shape[1..]]), MetaSegment.EmptyTensor(videos, steps), segment.Condition,
                    segment.Unconditional);
        }
    }

    /// <summary>Runs a step of Diffusion-DPO.</summary>
    /// <param name="settings">The settings of the run.</param>
    public void RunDiffusionDpo(DiffusionDpoSettings settings)
    {
        using DisposeScope scope = NewDisposeScope();
        (SamplingSettings sampling, int videos) = (settings.Sampling, settings.BatchSize);
        int history = model.CreateSampler(sampling).HistoryLength;
        SamplingSettings few = sampling with { Steps = Math.Min(sampling.Steps, DenoisingSteps + history), Sigmas = null };
        using var trainer = new DiffusionDpoTrainer(model, reward, adapters, settings with { Sampling = few, AccumulationSteps = 1 });
        int pairs = settings.Dpo.PairsOfRollout(videos * settings.AccumulationSteps), candidates = pairs * settings.Dpo.CandidatesPerPrompt;
        long[] one = model.LatentShape(1, sampling.Size);
        using (DisposeScope rollout = NewDisposeScope())
        {
            Tensor others = MetaSegment.EmptyTensor([Math.Max(0, candidates - videos), .. one[1..]]);
            Condition? told = candidates > videos ? model.EmptyCondition(candidates - videos, sampling.Size) : null;
            Tensor made = trainer.Sample(MetaSegment.Create(model, few, videos, GradientPlan.None(model.CreateSampler(few).Timesteps.Count)));
            Score(made, sampling, videos, settings.Frames, settings.Loss);
        }

        // Waiting pairs, each with its condition, and the batch that is taken from them.
        Tensor waiting = MetaSegment.EmptyTensor([2 * pairs, .. one[1..]]);
        Condition conditions = model.EmptyCondition(pairs, sampling.Size);
        trainer.Backward(new PreferenceBatch(
            MetaSegment.EmptyTensor([2 * videos, .. one[1..]]), MetaSegment.EmptyTensor([videos, .. one[1..]]), [.. Enumerable.Repeat(0L, videos)],
            model.EmptyCondition(videos, sampling.Size)));
    }

    private void Score(Tensor latents, SamplingSettings sampling, int videos, RewardFrames frames, RewardLoss loss) =>
        new RolloutScorer(model, reward, sampling, frames, loss, new WorkCount()).Add(latents, MetaSegment.EmptyPrompts(videos), static _ => 0);
}
