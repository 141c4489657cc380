using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Schedulers;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Algorithms.RewardGradient;

/// <summary>
/// The distance of the adapted denoiser from the base model: the mean over gradient steps of mean (e_adapted - e_base)^2, both predictions for one input. The
/// KL divergence between the two models' Gaussian denoising steps is this up to a factor that depends on the step alone.
/// </summary>
/// <remarks>Ho et al. 2020, arXiv 2006.11239, eq. 8; as a regularizer of alignment Fan et al. 2023, DPOK, arXiv 2305.16381, section 4.2.</remarks>
/// <param name="adapters">The adapters, which are off for the base model's prediction.</param>
/// <param name="sampler">The sampler, which scales the network's input.</param>
internal sealed class KlPenalty(LoraAdapters adapters, ISampler sampler) : IDisposable
{
    private readonly List<Tensor> _ofSteps = [];

    /// <summary>Adds a denoising step, if it carries gradient.</summary>
    /// <param name="guidance">The guidance that made the step's prediction.</param>
    /// <param name="step">The step.</param>
    public void Add(Guidance guidance, DenoisingStep step)
    {
        if (!step.Prediction.requires_grad)
        {
            return;
        }

        using Tensor other = StopGradient.Detach(BasePrediction, "base prediction");
        using Tensor difference = Ops.Subtract(step.Prediction, other);
        _ofSteps.Add(difference.Pow(2).mean().DetachFromDisposeScope());

        Tensor BasePrediction()
        {
            using Tensor input = sampler.ScaleInput(step.Latents, step.Index);
            return adapters.RunDisabled(() => guidance.Predict(input, step.Timestep));
        }
    }

    /// <summary>Computes the distance and frees the steps that were added.</summary>
    /// <returns>A scalar that carries gradient; null: no step did.</returns>
    public Tensor? TakeTotal()
    {
        if (_ofSteps.Count == 0)
        {
            return null;
        }

        Tensor mean = stack(_ofSteps).mean();
        Dispose();
        return mean;
    }

    /// <summary>Frees the steps that were added; a run that fails before its end leaves some.</summary>
    public void Dispose()
    {
        _ofSteps.ForEach(term => term.Dispose());
        _ofSteps.Clear();
    }
}
