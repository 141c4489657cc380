using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Training;

/// <summary>
/// Diffusion-DPO's loss (Wallace et al. 2023, arXiv 2311.12908, eq. 14): -log sigmoid of -beta/2 times how much more the model than the reference errs on the
/// winner, less the same of the loser; an error is a mean over a sample's numbers. Reference: the training script of SalesforceAIResearch/DiffusionDPO,
/// which has it for noise predictions.
/// </summary>
/// <param name="beta">How strongly a difference counts.</param>
internal sealed class DiffusionDpoLoss(double beta)
{
    /// <summary>All [2B, ...], first the winners, then their losers in the same order. The prediction carries gradient; reference and target are constants.</summary>
    public DiffusionDpoTerms Compute(Tensor prediction, Tensor reference, Tensor target)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor Errors(Tensor guess) => (guess - target).square().flatten(1).mean([1]).view(2, -1);
        Tensor errors = Errors(prediction), referenceErrors = Errors(reference);
        Tensor inside = ((errors[0] - errors[1]) - (referenceErrors[0] - referenceErrors[1])).Mul(-beta / 2);
        return new DiffusionDpoTerms(
            ToTerms(-Ops.LogSigmoid(inside).mean()), ToTerms(inside),
            ToTerms(inside.GreaterThan(0).to_type(inside.dtype).mean()), ToTerms(errors.mean()), ToTerms(referenceErrors.mean()));

        static Tensor ToTerms(Tensor tensor) => tensor.MoveToOuterDisposeScope();
    }
}

/// <summary>The loss and what one watches. The caller owns them; the loss carries gradient.</summary>
/// <param name="Loss">Scalar.</param>
/// <param name="Inside">What the sigmoid is of [B].</param>
/// <param name="Accuracy">Share of pairs that the model tells apart better than the reference.</param>
/// <param name="ModelError">Mean error of the model.</param>
/// <param name="ReferenceError">Mean error of the reference.</param>
internal readonly record struct DiffusionDpoTerms(Tensor Loss, Tensor Inside, Tensor Accuracy, Tensor ModelError, Tensor ReferenceError);
