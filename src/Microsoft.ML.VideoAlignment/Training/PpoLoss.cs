using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Training;

/// <summary>
/// The clipped policy gradient (Schulman et al. 2017, PPO, arXiv 1707.06347, eq. 7) on denoising steps: mean of max(-A r, -A clamp(r, 1 - c, 1 + c)) with
/// r = exp(log p - log p_old). Reference: ddpo-pytorch's training script.
/// </summary>
/// <param name="advantageClip">A is held within plus and minus this.</param>
/// <param name="clipRange">c.</param>
internal sealed class PpoLoss(double advantageClip, double clipRange)
{
    /// <summary>All [B]. logProbability carries gradient; the other two are constants.</summary>
    public PpoTerms Compute(Tensor logProbability, Tensor old, Tensor advantages)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor cost = -advantages.Clamp(-advantageClip, advantageClip);
        Tensor difference = logProbability - old;
        Tensor ratio = difference.exp();
        Tensor loss = Ops.Maximum(cost * ratio, cost * Ops.Clamp(ratio, 1 - clipRange, 1 + clipRange)).mean();
        return new PpoTerms(
            ToTerms(loss), ToTerms(ratio), ToTerms(difference.square().mean().Div(2)), ToTerms(Ops.Abs(ratio.Sub(1)).GreaterThan(clipRange).to_type(loss.dtype).mean()));

        static Tensor ToTerms(Tensor tensor) => tensor.MoveToOuterDisposeScope();
    }
}

/// <summary>The loss and what one watches. The caller owns them; the loss carries gradient.</summary>
/// <param name="Loss">Scalar.</param>
/// <param name="Ratio">New to old probability [B].</param>
/// <param name="ApproximateKl">Half the mean squared difference of the log-probabilities.</param>
/// <param name="ClipFraction">Share of ratios beyond the clip range.</param>
internal readonly record struct PpoTerms(Tensor Loss, Tensor Ratio, Tensor ApproximateKl, Tensor ClipFraction);
