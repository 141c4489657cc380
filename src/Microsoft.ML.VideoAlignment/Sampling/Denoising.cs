using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Schedulers;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Sampling;

/// <summary>Draws the noise of a stochastic step. Called in sampling order, only for steps that need noise.</summary>
/// <param name="step">The step, 0 = noisiest.</param>
/// <returns>A fresh tensor of the latents' shape.</returns>
internal delegate Tensor StepNoise(int step);

/// <summary>One finished step, for callbacks. The tensors live until the callback returns.</summary>
/// <param name="Index">Step, 0 = noisiest.</param>
/// <param name="Timestep">What the network was told.</param>
/// <param name="Latents">x_i [B, c, T, h, w].</param>
/// <param name="Prediction">The guided prediction.</param>
/// <param name="Result">x_{i+1} and the clean prediction.</param>
internal readonly record struct DenoisingStep(int Index, double Timestep, Tensor Latents, Tensor Prediction, SamplerStep Result);

/// <summary>
/// The only sampling loop: generation, reward gradients and baselines all pass through it. Which steps record a graph is data (<see cref="GradientPlan"/>).
/// </summary>
/// <remarks>Steps whose network carries no gradient run with the adapters merged into the weights and keep nothing.</remarks>
internal static class Denoising
{
    /// <summary>What <see cref="StopGradient"/> is told: the prediction of a step outside the window, and a step's input that is detached.</summary>
    public const string HeldPrediction = "prediction", HeldInput = "input";

    /// <summary>Runs the sampler from <paramref name="start"/> to its end, or to the clean prediction of the plan's stop.</summary>
    /// <param name="sampler">Its tables decide the number of steps.</param>
    /// <param name="start">x_0 [B, c, T, h, w], already scaled by the sampler's initial sigma.</param>
    /// <param name="predict">(network input, timestep) -> guided prediction.</param>
    /// <param name="plan">What each step does with gradient; as long as the sampler.</param>
    /// <param name="noise">Draws for samplers that need them.</param>
    /// <param name="adapters">Merged in gradient-free steps, separate in steps with gradient; left separate at the end.</param>
    /// <param name="onStep">Called after each step.</param>
    /// <param name="first">The step to begin with, <paramref name="start"/> being x of that step; above 0 only for samplers without history.</param>
    /// <param name="end">The step before which to stop; null: after the last.</param>
    /// <param name="prompts">Of the rows, for messages; null: not known.</param>
    /// <exception cref="OperationCanceledException">The run was canceled, which is looked at before each step.</exception>
    /// <exception cref="NotFiniteNumberException">The latents at the end are not finite; the message names the first step whose numbers were not.</exception>
    /// <returns>The final latents; the caller owns them.</returns>
    /// <remarks>Where gradients are off, nothing is recorded whatever the plan says.</remarks>
    public static Tensor Run(
        ISampler sampler, Tensor start, Func<Tensor, double, Tensor> predict, GradientPlan plan, StepNoise? noise = null,
        LoraAdapters? adapters = null, Action<DenoisingStep>? onStep = null, int first = 0, int? end = null, IReadOnlyList<string>? prompts = null)
    {
        RequireBeginning(sampler, first);
        bool recording = is_grad_enabled();
        using DisposeScope run = NewDisposeScope();
        Tensor latents = start.alias();
        var history = new List<Tensor>();
        var finite = new FiniteLatents(sampler, prompts ?? []);
        try
        {
            for (int step = first; step < (end ?? plan.Count); step++)
            {
                RunContext.ThrowIfCanceled();
                using DisposeScope scope = NewDisposeScope();
                StepGradient gradient = plan[step];
                UseAdapters(adapters, merged: !gradient.Network);

                Tensor? drawn = sampler.NeedsNoise(step) ? Draw(noise, step) : null;
                Tensor current;
                using (set_grad_enabled(recording && gradient.Sampler))
                {
                    current = sampler.BeforeStep(step, latents, drawn);
                }

                RunContext.Enter(recording && gradient.Network ? RunStage.GradientStep : RunStage.Sampling);
                Tensor prediction = Predict(sampler, step, gradient, predict, current);

                SamplerStep result;
                using (set_grad_enabled(recording && gradient.Sampler))
                {
                    result = sampler.Step(step, current, prediction, history, drawn);
                }

                finite.Note(step, prediction, step == plan.Stop ? result.Predicted : result.Sample);
                onStep?.Invoke(new DenoisingStep(step, sampler.Timesteps[step], current, prediction, result));
                if (step == plan.Stop)
                {
                    finite.Require();
                    return result.Predicted.MoveToOuterDisposeScope().MoveToOuterDisposeScope();
                }

                latents.Dispose();
                latents = result.Sample.MoveToOuterDisposeScope();
                Remember(history, result.Predicted, sampler.HistoryLength);
            }
        }
        finally
        {
            adapters?.Unmerge();
        }

        finite.Require();
        return latents.MoveToOuterDisposeScope();
    }

    private static void RequireBeginning(ISampler sampler, int first)
    {
        if (first > 0 && sampler.HistoryLength > 0)
        {
            throw new ArgumentException("This sampler remembers earlier steps, so a run cannot begin in the middle.", nameof(first));
        }
    }

    private static Tensor Predict(ISampler sampler, int step, StepGradient gradient, Func<Tensor, double, Tensor> predict, Tensor latents) =>
        !gradient.Network
            ? StopGradient.Detach(() => predict(sampler.ScaleInput(latents, step), sampler.Timesteps[step]), HeldPrediction)
            : predict(
                sampler.ScaleInput(gradient.DetachInput ? StopGradient.Detach(latents.detach, HeldInput) : latents, step), sampler.Timesteps[step]);

    private static Tensor Draw(StepNoise? noise, int step) =>
        noise is null ? throw new ArgumentNullException(nameof(noise), $"Step {step} of this sampler draws noise; pass a source of it, or eta 0.")
            : noise(step);

    private static void UseAdapters(LoraAdapters? adapters, bool merged)
    {
        if (adapters is null || adapters.IsMerged == merged)
        {
            return;
        }

        if (merged)
        {
            adapters.Merge();
        }
        else
        {
            adapters.Unmerge();
        }
    }

    private static void Remember(List<Tensor> history, Tensor predicted, int length)
    {
        if (length == 0)
        {
            return;
        }

        history.Add(predicted.MoveToOuterDisposeScope());
        if (history.Count > length)
        {
            history[0].Dispose();
            history.RemoveAt(0);
        }
    }
}
