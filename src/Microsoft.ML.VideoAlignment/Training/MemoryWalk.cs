using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Pipelines;
using Microsoft.ML.VideoAlignment.Schedulers;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Training;

/// <summary>
/// One training step of <see cref="RewardGradientTrainer"/> on a model that has shapes and no memory, and a meter beside it: what is alive at the worst moment
/// of each phase comes from the code that will run, not from a formula about it. Steps outside the window are all alike, so few stand for them.
/// </summary>
internal static class MemoryWalk
{
    /// <summary>Activations by phase, in bytes. Weights, factors and their gradients are not among them; weights with adapters merged into them are.</summary>
    /// <param name="model">Made by <see cref="VideoDiffusionModel.OnMeta"/>.</param>
    /// <param name="adapters">Of its denoiser.</param>
    /// <param name="reward">One that can score shapes.</param>
    /// <param name="settings">Of the run; its loss is of no matter.</param>
    /// <param name="device">Where the run will be.</param>
    public static IReadOnlyDictionary<MemoryPhase, long> Run(VideoDiffusionModel model, LoraAdapters adapters, VideoReward reward, RewardGradientSettings settings, DeviceType device)
    {
        using DisposeScope scope = NewDisposeScope();
        (SamplingSettings sampling, GradientPlan plan) = Shortened(model, settings);
        using var trainer = new RewardGradientTrainer(model, reward, adapters, settings with { Sampling = sampling, Loss = RewardLoss.Maximise() });
        IEnumerable<Tensor> apart = model.Networks.Values.SelectMany(Stored).Concat(adapters.Parameters).Where(ShapeOnly.Holds);
        using var meter = new MemoryMeter([.. apart], device);
        trainer.Backward(Rollout(model, settings, sampling, plan));
        using (no_grad())
        {
            MemoryMeter.Enter(MemoryPhase.Generation);
            int[] part = [.. Enumerable.Range(0, Math.Min(sampling.Size.Frames, model.FramesDecodedTogether))];
            MemoryMeter.Look(model.Decode(Empty(model.LatentShape(1, sampling.Size)), sampling.Size.Frames, part));
        }

        return Enum.GetValues<MemoryPhase>().ToDictionary(phase => phase, phase => meter[phase]);
    }

    /// <summary>What a network holds.</summary>
    public static IEnumerable<Tensor> Stored(nn.Module network) => network.parameters().Concat(network.buffers());

    /// <summary>The run's graded steps, as many and as apart as they are, with one step before them and one after where there are any.</summary>
    private static (SamplingSettings Sampling, GradientPlan Plan) Shortened(VideoDiffusionModel model, RewardGradientSettings settings)
    {
        ISampler sampler = model.CreateSampler(settings.Sampling);
        GradientPlan plan = settings.Window.Resolve(sampler, static _ => 0);
        int[] graded = [.. plan.GradedSteps];
        int end = Math.Min(plan.Stop + 1 ?? plan.Count, plan.Count), after = Math.Min(1, end - 1 - graded[^1]);
        int length = Math.Min(1, graded[0]) + graded[^1] - graded[0] + 1 + after;
        SamplingSettings few = settings.Sampling with { Steps = Math.Min(length, settings.Sampling.Steps), Sigmas = null };
        int count = model.CreateSampler(few).Timesteps.Count, first = count - after - (graded[^1] - graded[0] + 1);
        return first < 0
            ? (settings.Sampling, plan)
            : (few, GradientPlan.Chosen(count, graded.Select(step => step - graded[0] + first).ToHashSet(), plan[graded[0]].DetachInput));
    }

    private static Rollout Rollout(VideoDiffusionModel model, RewardGradientSettings settings, SamplingSettings sampling, GradientPlan plan)
    {
        long[] shape = model.LatentShape(settings.BatchSize, sampling.Size);
        return new Rollout
        {
            Prompts = [.. Enumerable.Repeat("", settings.BatchSize)],
            First = Clip(),
            Frames = settings.Frames.Select(sampling.RewardFrameCount(model), static _ => 0),
            Later = [.. Enumerable.Repeat<Func<Tensor, PreparedClip>>(_ => Clip(), sampling.SegmentCount - 1)],
        };

        PreparedClip Clip() => new() { Condition = Condition(), Unconditional = Other(), Start = Empty(shape), Noise = _ => Empty(shape), Plan = plan };

        Condition Condition() => model.EmptyCondition(settings.BatchSize, sampling.Size);

        Condition? Other() => model.GuidanceActs(sampling.GuidanceScale) ? Condition() : null;
    }

    private static Tensor Empty(long[] shape) => empty(shape, device: META);
}
