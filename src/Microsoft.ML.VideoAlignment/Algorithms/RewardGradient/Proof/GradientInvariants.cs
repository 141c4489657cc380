using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Algorithms.RewardGradient;

/// <summary>Compares gradients that must be equal, whatever the numbers are. They are those of <see cref="RewardGradientTrainer.Backward"/>.</summary>
/// <param name="adapters">The adapters of the model's denoiser.</param>
/// <param name="setup">Model, reward and options, with an accumulation of 1.</param>
/// <param name="prompts">The prompts that batches are drawn from.</param>
/// <param name="seed">The seed of the batches.</param>
internal sealed class GradientInvariants(
    ProofSetup setup, LoraAdapters adapters, IReadOnlyList<VideoPrompt> prompts, ulong seed)
{
    /// <summary>The tolerance for sums in another order.</summary>
    private const double Rounding = 1e-10;

    private int Steps { get; } = setup.Run.Model.CreateSampler(setup.Run.Sampling).Timesteps.Count;

    /// <summary>Makes all comparisons.</summary>
    public IEnumerable<GradientCheckRow> Compare()
    {
        using DisposeScope scope = NewDisposeScope();
        return [.. Recomputed(), .. Windows(), .. BeforeTheWindow(), .. Parts()];
    }

    // Recomputed blocks give what they gave before: the loss is the same bit for bit. In the gradient the parts of what several blocks read (the time, the
    // text, skips) are summed in another order.
    private IEnumerable<GradientCheckRow> Recomputed()
    {
        (double Loss, IReadOnlyDictionary<string, Tensor> Gradient) plain = RunUnder(ActivationMemory.Keep, steps: false);
        foreach ((string name, ActivationMemory activations, bool steps) in new[]
        {
            ("recomputed blocks", ActivationMemory.Recompute, false), ("offloaded blocks", ActivationMemory.RecomputeOffloaded, false),
            ("recomputed steps", ActivationMemory.Recompute, true),
        })
        {
            (double loss, IReadOnlyDictionary<string, Tensor> gradient) = RunUnder(activations, steps);
            yield return new GradientCheckRow($"{name} = plain: loss", loss, plain.Loss, Math.Abs(loss - plain.Loss), 0, "bit for bit");
            yield return Equal($"{name} = plain: gradient", gradient, plain.Gradient, Rounding, "");
        }

        (double Loss, IReadOnlyDictionary<string, Tensor> Gradient) RunUnder(ActivationMemory activations, bool steps)
        {
            using IDisposable memory = Recompute.BeginScope(activations, steps);
            return Check(setup);
        }
    }

    // All steps with gradient, by three equal windows.
    private IEnumerable<GradientCheckRow> Windows()
    {
        IReadOnlyDictionary<string, Tensor> full = Check(setup.WithWindow(GradientWindow.FromStep(0))).Gradient;
        yield return Equal("the last T steps = full", full, Check(setup.WithWindow(GradientWindow.LastSteps(Steps))).Gradient, 0, "bit for bit");
        GradientWindow numbered = GradientWindow.Steps([.. Enumerable.Range(0, Steps)]);
        yield return Equal("all steps by number = full", full, Check(setup.WithWindow(numbered)).Gradient, 0, "bit for bit");
    }

    // x_0 has exactly no gradient when step 0 is outside the window, and has some when it is inside.
    private IEnumerable<GradientCheckRow> BeforeTheWindow()
    {
        if (Steps == 1 || setup.Run.Sampling.SegmentCount > 1)
        {
            yield break;
        }

        double inside = AtStart(0), outside = AtStart(1);
        yield return new GradientCheckRow(
            "no gradient before the window", outside, 0, outside == 0 ? 0 : double.NaN, 0, $"at the start noise; {inside:e1} when step 0 is inside");
        yield return new GradientCheckRow(
            "some gradient within the window", inside, inside, inside > 0 || setup.Run.Reward.Contract.GradientMayVanish ? 0
                : double.NaN, 0, "at the start noise");
    }

    // Two batches, one after the other in one process or each in its own, and both as one.
    private IEnumerable<GradientCheckRow> Parts()
    {
        if (setup.Run.Sampling.SegmentCount > 1)
        {
            yield break;
        }

        using var trainer = Trainer(setup);
        (Rollout first, Rollout second) = TwoBatches(trainer);
        RolloutResult one = Run(trainer, first);
        IReadOnlyDictionary<string, Tensor> ofFirst = AdapterGradient.CopyAndClear(adapters);
        RolloutResult two = Run(trainer, second);
        IReadOnlyDictionary<string, Tensor> ofSecond = AdapterGradient.CopyAndClear(adapters);
        RolloutResult both = Run(trainer, Joined(first, second));
        IReadOnlyDictionary<string, Tensor> whole = AdapterGradient.CopyAndClear(adapters);

        const string Accumulated = "2 accumulated = one batch", Averaged = "mean of two processes = one with both batches";
        double frames = HostRead.Number((cat([one.Decoded, two.Decoded]) - both.Decoded).abs().max());
        yield return new GradientCheckRow("a video does not depend on its batch", frames, 0, frames, 1e-9, "");
        if (HostRead.Number((cat([one.Scores, two.Scores]) - both.Scores).abs().max()) > 1e-9)
        {
            yield return new GradientCheckRow(Accumulated, 0, 0, 0, Rounding, "not compared: this reward's score of a video depends on its batch");
            yield break;
        }

        using (var accumulating = Trainer(setup.WithAccumulation(2)))
        {
            Run(accumulating, first);
            Run(accumulating, second);
        }

        yield return Equal(Accumulated, whole, AdapterGradient.CopyAndClear(adapters), Rounding, "");
        yield return Equal(Averaged, whole, AdapterGradient.Mean(ofFirst, ofSecond), Rounding, "two gradients computed apart, then averaged, in this process");
    }

    private double AtStart(int firstWithGradient)
    {
        using var trainer = Trainer(setup);
        using var draws = new TrainingRandom(prompts, seed);
        Rollout rollout = trainer.Draw(draws);
        Tensor start = rollout.First.Start.detach().requires_grad_(true);
        Run(trainer, rollout with { First = rollout.First with { Start = start, Plan = GradientPlan.Suffix(Steps, firstWithGradient) }, Copies = [] });
        AdapterGradient.CopyAndClear(adapters);
        return start.grad is { } gradient ? HostRead.Number(gradient.abs().max()) : 0;
    }

    private (double Loss, IReadOnlyDictionary<string, Tensor> Gradient) Check(ProofSetup chosen)
    {
        using var trainer = Trainer(chosen);
        using var draws = new TrainingRandom(prompts, seed);
        double loss = HostRead.Number(Run(trainer, trainer.Draw(draws)).Loss);
        return (loss, AdapterGradient.CopyAndClear(adapters));
    }

    private RolloutResult Run(RewardGradientTrainer trainer, Rollout rollout)
    {
        setup.Run.Reward.BeginTraining();
        return trainer.Backward(rollout);
    }

    private RewardGradientTrainer Trainer(ProofSetup chosen) => chosen.CreateTrainer(adapters);

    // Two batches with one window and the same frames, whose noise can be read again.
    private (Rollout First, Rollout Second) TwoBatches(RewardGradientTrainer trainer)
    {
        using var draws = new TrainingRandom(prompts, seed);
        Rollout first = Fixed(trainer.Draw(draws)), second = Fixed(trainer.Draw(draws));
        return (first, second with { First = second.First with { Plan = first.First.Plan }, Frames = first.Frames });

        Rollout Fixed(Rollout rollout)
        {
            Tensor start = rollout.First.Start;
            Tensor[] noise = [.. Enumerable.Range(0, Steps).Select(step => draws.Noise(start.shape, start.device).to_type(start.dtype))];
            return rollout with { First = rollout.First with { Noise = step => noise[step].alias() }, Copies = [] };
        }
    }

    private static Rollout Joined(Rollout first, Rollout second) => first with
    {
        Prompts = [.. first.Prompts, .. second.Prompts],
        First = Joined(first.First, second.First),
    };

    private static SegmentInputs Joined(SegmentInputs first, SegmentInputs second) => first with
    {
        Condition = Condition.Stack(first.Condition, second.Condition),
        Unconditional = first.Unconditional is null ? null : Condition.Stack(first.Unconditional, second.Unconditional!),
        Start = cat([first.Start, second.Start]),
        Noise = step => cat([first.Noise(step), second.Noise(step)]),
    };

    private static GradientCheckRow Equal(
        string name, IReadOnlyDictionary<string, Tensor> first, IReadOnlyDictionary<string, Tensor> second, double tolerance, string note) =>
        new(name, AdapterDirection.Norm(first.Values), AdapterDirection.Norm(second.Values), AdapterGradient.Distance(first, second), tolerance, note);
}
