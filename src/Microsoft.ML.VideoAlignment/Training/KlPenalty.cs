using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Pipelines;
using Microsoft.ML.VideoAlignment.Schedulers;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Training;

/// <summary>
/// How far the adapters have led the denoiser away from the base model: mean over gradient steps of mean (e_adapted - e_base)^2, both predictions for one
/// input. The KL divergence between the two models' Gaussian denoising steps is this up to a factor that depends on the step alone (Ho et al. 2020,
/// arXiv 2006.11239, eq. 8; as a regulariser of alignment Fan et al. 2023, DPOK, arXiv 2305.16381, section 4.2).
/// </summary>
/// <param name="adapters">Switched off for the base model's prediction.</param>
/// <param name="sampler">Scales the network's input.</param>
internal sealed class KlPenalty(LoraAdapters adapters, ISampler sampler) : IDisposable
{
    private readonly List<Tensor> _ofSteps = [];

    /// <summary>Takes a step in, if it carries gradient. <paramref name="guidance"/>: what made its prediction.</summary>
    public void Add(Guidance guidance, DenoisingStep step)
    {
        if (!step.Prediction.requires_grad)
        {
            return;
        }

        using Tensor other = StopGradient.Detach(BasePrediction, "base prediction");
        using Tensor difference = Ops.Subtract(step.Prediction, other);
        _ofSteps.Add(difference.square().mean().DetachFromDisposeScope());

        Tensor BasePrediction()
        {
            using Tensor input = sampler.ScaleInput(step.Latents, step.Index);
            return adapters.Without(() => guidance.Predict(input, step.Timestep));
        }
    }

    /// <summary>The distance, a scalar that carries gradient, and frees what was gathered; null where no step carried any.</summary>
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

    /// <summary>Frees what was gathered; a run that fails between its steps and its end leaves some.</summary>
    public void Dispose()
    {
        _ofSteps.ForEach(term => term.Dispose());
        _ofSteps.Clear();
    }
}
