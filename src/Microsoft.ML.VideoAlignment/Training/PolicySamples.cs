using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Pipelines;
using Microsoft.ML.VideoAlignment.Runs;
using Microsoft.ML.VideoAlignment.Schedulers;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Training;

/// <summary>What a rollout of N videos leaves behind for learning: where each denoising step started, where it went, and how probable that was.</summary>
/// <param name="Trajectory">x_0 ... x_S: [N, S + 1, c, T, h, w].</param>
/// <param name="LogProbabilities">Of the steps taken [N, S].</param>
/// <param name="Condition">What the denoiser was told, N rows.</param>
/// <param name="Unconditional">The same of the branch to lead away from; null where guidance does not act.</param>
internal sealed record PolicySamples(Tensor Trajectory, Tensor LogProbabilities, Condition Condition, Condition? Unconditional) : IDisposable
{
    /// <summary>The finished latents [N, c, T, h, w]: a view.</summary>
    public Tensor Latents => Trajectory.select(1, -1);

    /// <summary>
    /// Runs the policy through the one sampling loop, without gradient. Tensors are the caller's, made in the scope of the call.
    /// </summary>
    /// <param name="model">Denoises.</param>
    /// <param name="policy">Its sampler.</param>
    /// <param name="sampling">Whose guidance scale is read.</param>
    /// <param name="adapters">Merged for the run.</param>
    /// <param name="segment">Conditions, start and noise; its plan is not read.</param>
    /// <param name="cancellation">Checked at each step.</param>
    public static PolicySamples Run(
        VideoDiffusionModel model, IPolicySampler policy, SamplingSettings sampling, LoraAdapters adapters, SegmentInputs segment, CancellationToken cancellation)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        using var guidance = new Guidance(model, segment.Condition, segment.Unconditional, sampling);
        List<Tensor> states = [segment.Start];
        var probabilities = new List<Tensor>();
        Denoising.Run(
            policy, segment.Start, guidance.Predict, GradientPlan.None(policy.Timesteps.Count), segment.Noise, adapters, Record, prompts: segment.Prompts,
            cancellation: cancellation);
        return new PolicySamples(
            stack(states, dim: 1).MoveToOuterDisposeScope(), stack(probabilities, dim: 1).MoveToOuterDisposeScope(), Kept(segment.Condition)!, Kept(segment.Unconditional));

        void Record(DenoisingStep step)
        {
            using DisposeScope inner = NewDisposeScope();
            int[] steps = [.. Enumerable.Repeat(step.Index, (int)step.Latents.shape[0])];
            (Tensor mean, double[] deviations) = PolicyStep.Compute(policy, steps, step.Latents, step.Prediction);
            probabilities.Add(Keep(PolicyStep.LogProbability(step.Result.Sample, mean, deviations)));
            states.Add(Keep(step.Result.Sample.alias()));
        }

        Tensor Keep(Tensor tensor) => tensor.MoveToOtherDisposeScope(scope);

        static Condition? Kept(Condition? condition) => condition?.Map(static tensor => tensor.alias().MoveToOuterDisposeScope());
    }

    /// <summary>The videos of several rollouts, one after another, kept alive beyond the scope of the call.</summary>
    public static PolicySamples Join(IReadOnlyList<PolicySamples> parts) => new(
        Ops.Cat([.. parts.Select(part => part.Trajectory)]).DetachFromDisposeScope(),
        Ops.Cat([.. parts.Select(part => part.LogProbabilities)]).DetachFromDisposeScope(),
        Condition.Stack([.. parts.Select(part => part.Condition)]).DetachFromDisposeScope(),
        parts[0].Unconditional is null ? null : Condition.Stack([.. parts.Select(part => part.Unconditional!)]).DetachFromDisposeScope());

    /// <summary>Writes all of it.</summary>
    public void Save(StateWriter state)
    {
        state.Write("trajectory", Trajectory);
        state.Write("logProbabilities", LogProbabilities);
        Condition.Save(state.Section("condition"));
        Unconditional?.Save(state.Section("unconditional"));
    }

    /// <summary>What <see cref="Save"/> wrote, of no dispose scope; the caller owns it.</summary>
    public static PolicySamples Load(StateReader state, Device device)
    {
        Tensor trajectory = state.AnyTensor("trajectory", device), probabilities = state.AnyTensor("logProbabilities", device);
        if (probabilities.dim() != 2 || trajectory.dim() < 3 || trajectory.shape[0] != probabilities.shape[0] || trajectory.shape[1] != probabilities.shape[1] + 1)
        {
            throw state.Fault("trajectory", $"is {Shapes.Describe(trajectory)} beside probabilities {Shapes.Describe(probabilities)}");
        }

        StateReader unconditional = state.Section("unconditional");
        return new PolicySamples(trajectory, probabilities, Condition.Load(state.Section("condition"), device), unconditional.IsEmpty ? null : Condition.Load(unconditional, device));
    }

    public void Dispose()
    {
        Trajectory.Dispose();
        LogProbabilities.Dispose();
        Condition.Dispose();
        Unconditional?.Dispose();
    }
}
