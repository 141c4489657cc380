using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Algorithms.Ddpo;

/// <summary>
/// The clipped policy gradient (Schulman et al. 2017, PPO, arXiv 1707.06347, eq. 7) on denoising steps: mean of max(-A r, -A clamp(r, 1 - c, 1 + c)) with
/// r = exp(log p - log p_old). Reference: ddpo-pytorch's training script.
/// </summary>
/// <param name="advantageClip">The advantages A are clamped to plus and minus this, above 0.</param>
/// <param name="clipRange">The clip range c of the ratio, above 0.</param>
internal sealed class PpoLoss(double advantageClip, double clipRange)
{
    /// <summary>Computes the loss of B denoising steps.</summary>
    /// <param name="logProbability">Log-probabilities under the present policy [B], which carry gradient.</param>
    /// <param name="old">Log-probabilities under the policy that sampled [B], constants.</param>
    /// <param name="advantages">Advantages of the steps' videos [B], constants.</param>
    /// <returns>The terms, which the caller owns.</returns>
    public PpoTerms Compute(Tensor logProbability, Tensor old, Tensor advantages)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor cost = -advantages.Clamp(-advantageClip, advantageClip);
        Tensor difference = logProbability - old;
        Tensor ratio = difference.exp();
        Tensor loss = Ops.Maximum(cost * ratio, cost * Ops.Clamp(ratio, 1 - clipRange, 1 + clipRange)).mean();

        // Diagnostics have no graph: nothing would ever go back through it and free what it keeps.
        using IDisposable guard = no_grad();
        Tensor distance = difference.Pow(2).mean().Div(2), clipped = Ops.Abs(ratio.Sub(1)).GreaterThan(clipRange).to_type(loss.dtype).mean();
        return new PpoTerms(ToTerms(loss), ToTerms(ratio), ToTerms(distance), ToTerms(clipped));

        static Tensor ToTerms(Tensor tensor) => tensor.MoveToOuterDisposeScope();
    }
}

/// <summary>Loss and diagnostics of PPO. The caller owns the tensors.</summary>
/// <param name="Loss">The loss, a scalar that carries gradient.</param>
/// <param name="Ratio">Ratio of new to old probability [B].</param>
/// <param name="ApproximateKl">Half the mean squared difference of the log-probabilities, a scalar.</param>
/// <param name="ClipFraction">Share of ratios beyond the clip range, a scalar.</param>
internal readonly record struct PpoTerms(Tensor Loss, Tensor Ratio, Tensor ApproximateKl, Tensor ClipFraction);
