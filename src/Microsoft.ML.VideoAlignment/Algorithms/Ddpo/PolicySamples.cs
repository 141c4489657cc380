using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Runs;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Schedulers;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Algorithms.Ddpo;

/// <summary>The trajectories of a rollout of N videos over S denoising steps, with the log-probability of each step.</summary>
/// <param name="Trajectory">The latents x_0 ... x_S before and after each step, [N, S + 1, c, T, h, w].</param>
/// <param name="LogProbabilities">Log-probabilities of the steps under the policy that sampled them, [N, S].</param>
/// <param name="Condition">The condition of the denoiser, N rows.</param>
/// <param name="Unconditional">The unconditional branch, N rows; null: without guidance.</param>
internal sealed record PolicySamples(Tensor Trajectory, Tensor LogProbabilities, Condition Condition, Condition? Unconditional) : IDisposable
{
    /// <summary>The finished latents [N, c, T, h, w]: a view.</summary>
    public Tensor Latents => Trajectory.select(1, -1);

    /// <summary>Runs the policy through the one sampling loop, without gradient. The tensors are made in the caller's scope.</summary>
    /// <param name="model">The model.</param>
    /// <param name="policy">The model's sampler as a policy.</param>
    /// <param name="sampling">The sampling settings, of which the guidance scale is read.</param>
    /// <param name="adapters">The adapters, which are merged for the run where the denoiser computes in float32.</param>
    /// <param name="segment">Conditions, start and noise; its gradient plan is not read.</param>
    public static PolicySamples Run(
        VideoDiffusionModel model, IPolicySampler policy, SamplingSettings sampling, LoraAdapters adapters, SegmentInputs segment)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        using var guidance = new Guidance(model, segment.Condition, segment.Unconditional, sampling);

        // Half numbers round merged weights, and time steps that all rows share, otherwise than an update does, by more than its ratio may move: it must begin
        // at 1.
        bool half = RunContext.Current.Precision.TypeOf(NetworkRole.Denoiser) is not null;
        List<Tensor> states = [segment.Start];
        var probabilities = new List<Tensor>();
        Denoising.Run(
            policy, segment.Start, half ? PredictEach : guidance.Predict, GradientPlan.None(policy.Timesteps.Count), segment.Noise, half ? null : adapters,
            Record, prompts: segment.Prompts);
        return new PolicySamples(
            stack(states, dim: 1).MoveToOuterDisposeScope(), stack(probabilities, dim: 1).MoveToOuterDisposeScope(),
            MoveOut(segment.Condition)!, MoveOut(segment.Unconditional));

        Tensor PredictEach(Tensor latents, double timestep) => guidance.Predict(latents, [.. Enumerable.Repeat(timestep, (int)latents.shape[0])]);

        void Record(DenoisingStep step)
        {
            using DisposeScope inner = NewDisposeScope();
            int[] steps = [.. Enumerable.Repeat(step.Index, (int)step.Latents.shape[0])];
            (Tensor mean, double[] deviations) = PolicyStep.Compute(policy, steps, step.Latents, step.Prediction);
            probabilities.Add(Keep(PolicyStep.LogProbability(step.Result.Sample, mean, deviations)));
            states.Add(Keep(step.Result.Sample.alias()));
        }

        Tensor Keep(Tensor tensor) => tensor.MoveToOtherDisposeScope(scope);

        static Condition? MoveOut(Condition? condition) => condition?.Map(static tensor => tensor.alias().MoveToOuterDisposeScope());
    }

    /// <summary>Concatenates the videos of several batches. The result belongs to no dispose scope; the caller owns it.</summary>
    /// <param name="parts">The batches, at least one; all with guidance or all without.</param>
    public static PolicySamples Join(IReadOnlyList<PolicySamples> parts) => new(
        Ops.Cat([.. parts.Select(part => part.Trajectory)]).DetachFromDisposeScope(),
        Ops.Cat([.. parts.Select(part => part.LogProbabilities)]).DetachFromDisposeScope(),
        Condition.Stack([.. parts.Select(part => part.Condition)]).DetachFromDisposeScope(),
        parts[0].Unconditional is null ? null : Condition.Stack([.. parts.Select(part => part.Unconditional!)]).DetachFromDisposeScope());

    /// <summary>Writes the samples into a run's state.</summary>
    /// <param name="state">The section to write to.</param>
    public void Save(StateWriter state)
    {
        state.Write("trajectory", Trajectory);
        state.Write("logProbabilities", LogProbabilities);
        Condition.Save(state.AddSection("condition"));
        Unconditional?.Save(state.AddSection("unconditional"));
    }

    /// <summary>Reads what <see cref="Save"/> wrote. The result belongs to no dispose scope; the caller owns it.</summary>
    /// <param name="state">The section to read.</param>
    /// <param name="device">The device that the tensors are made on.</param>
    public static PolicySamples Load(StateReader state, Device device)
    {
        Tensor trajectory = state.ReadAnyTensor("trajectory", device), probabilities = state.ReadAnyTensor("logProbabilities", device);
        if (probabilities.dim() != 2 || trajectory.dim() < 3 || trajectory.shape[0] != probabilities.shape[0]
            || trajectory.shape[1] != probabilities.shape[1] + 1)
        {
            throw state.CreateFault("trajectory", $"is {Shapes.Describe(trajectory)} beside probabilities {Shapes.Describe(probabilities)}");
        }

        StateReader unconditional = state.OpenSection("unconditional");
        return new PolicySamples(
            trajectory, probabilities, Condition.Load(state.OpenSection("condition"), device),
            unconditional.IsEmpty ? null : Condition.Load(unconditional, device));
    }

    public void Dispose()
    {
        Trajectory.Dispose();
        LogProbabilities.Dispose();
        Condition.Dispose();
        Unconditional?.Dispose();
    }
}
