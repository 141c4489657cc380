using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Algorithms.DiffusionDpo;

/// <summary>
/// Diffusion-DPO's loss (Wallace et al. 2023, arXiv 2311.12908, eq. 14): mean of -log sigmoid(-beta / 2 ((m_w - m_l) - (r_w - r_l))), with the squared errors
/// of model (m) and reference (r) on winner (w) and loser (l), each a mean over a sample's numbers.
/// </summary>
/// <remarks>Reference: the training script of SalesforceAIResearch/DiffusionDPO, which has it for noise predictions.</remarks>
/// <param name="beta">The weight of a difference, above 0.</param>
internal sealed class DiffusionDpoLoss(double beta)
{
    /// <summary>Computes the loss of B pairs: in each tensor first the winners, then their losers in the same order.</summary>
    /// <param name="prediction">The model's predictions [2B, ...], which carry gradient.</param>
    /// <param name="reference">The base model's predictions [2B, ...], constants.</param>
    /// <param name="target">What was to be predicted [2B, ...], constants.</param>
    /// <returns>The terms, which the caller owns.</returns>
    public DiffusionDpoTerms Compute(Tensor prediction, Tensor reference, Tensor target)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor Errors(Tensor guess) => (guess - target).Pow(2).flatten(1).mean([1]).view(2, -1);
        Tensor errors = Errors(prediction), referenceErrors = Errors(reference);
        Tensor inside = ((errors[0] - errors[1]) - (referenceErrors[0] - referenceErrors[1])).Mul(-beta / 2);
        return new DiffusionDpoTerms(
            ToTerms(-Ops.LogSigmoid(inside).mean()), ToTerms(inside),
            ToTerms(inside.GreaterThan(0).to_type(inside.dtype).mean()), ToTerms(errors.mean()), ToTerms(referenceErrors.mean()));

        static Tensor ToTerms(Tensor tensor) => tensor.MoveToOuterDisposeScope();
    }
}

/// <summary>Loss and diagnostics of Diffusion-DPO. The caller owns the tensors.</summary>
/// <param name="Loss">The loss, a scalar that carries gradient.</param>
/// <param name="Inside">The sigmoid's argument [B].</param>
/// <param name="Accuracy">Share of pairs that the model separates better than the reference, a scalar.</param>
/// <param name="ModelError">Mean error of the model, a scalar.</param>
/// <param name="ReferenceError">Mean error of the reference, a scalar.</param>
internal readonly record struct DiffusionDpoTerms(Tensor Loss, Tensor Inside, Tensor Accuracy, Tensor ModelError, Tensor ReferenceError);
