using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment;

/// <summary>
/// The loss that training makes of scores: the one place where a reward gets a target, a sign and a scale. Every form is a mean over the scores, so batches of
/// any size, and one frame or many, have the same weight.
/// </summary>
/// <remarks>The presets have the constants of VADER's released code (commit adaf2ef).</remarks>
public sealed record RewardLoss
{
    private readonly Kind _form;

    private RewardLoss(Kind form, double? target, double scale) => (_form, TargetScore, Scale) = (form, target, scale);

    private enum Kind
    {
        Distance,
        Shortfall,
        Rise,
        Fall,
    }

    /// <summary>The target score; null: the score is raised or lowered without one.</summary>
    public double? TargetScore { get; }

    /// <summary>The factor on the loss, above 0.</summary>
    public double Scale { get; }

    /// <summary>VADER's aesthetic loss: 0.1 * mean |score - 10| (aesthetic_loss_fn, target 10, grad_scale 0.1).</summary>
    public static RewardLoss Aesthetic { get; } = Target(10, 0.1);

    /// <summary>VADER's loss for cosine scores such as those of HPS: mean |1 - score| (hps_loss_fn).</summary>
    public static RewardLoss Cosine { get; } = Target(1, 1);

    /// <summary>VADER's PickScore loss: mean |1 - score / 100| (pick_score loss_fn).</summary>
    public static RewardLoss PickScore { get; } = Target(100, 0.01);

    /// <summary>VADER's weather loss: mean |score - 1| (rainy and snowy, target 1).</summary>
    public static RewardLoss Weather { get; } = Target(1, 1);

    /// <summary>VADER's compression loss: mean(score), a size in kB to be lowered (target null).</summary>
    public static RewardLoss Compression { get; } = Minimize(1);

    /// <summary>Makes the loss scale * mean |score - target|.</summary>
    /// <param name="target">The target score, finite.</param>
    /// <param name="scale">The factor on the loss, finite and above 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">The target or the scale is out of range.</exception>
    public static RewardLoss Target(double target, double scale = 1)
    {
        RequireScale(scale);
        RequireTarget(target);
        return new RewardLoss(Kind.Distance, target, scale);
    }

    /// <summary>
    /// Makes the loss scale * mean(target - score), VADER-ModelScope's form for HPS: it has the gradient of <see cref="Maximize"/>, and its value is the
    /// distance from the target.
    /// </summary>
    /// <param name="target">The target score, finite.</param>
    /// <param name="scale">The factor on the loss, finite and above 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">The target or the scale is out of range.</exception>
    public static RewardLoss Hinge(double target, double scale = 1)
    {
        RequireScale(scale);
        RequireTarget(target);
        return new RewardLoss(Kind.Shortfall, target, scale);
    }

    /// <summary>Makes the loss -scale * mean(score), which raises the score without limit.</summary>
    /// <param name="scale">The factor on the loss, finite and above 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">The scale is out of range.</exception>
    public static RewardLoss Maximize(double scale = 1)
    {
        RequireScale(scale);
        return new RewardLoss(Kind.Rise, target: null, scale);
    }

    /// <summary>Makes the loss scale * mean(score), which lowers the score without limit: for rewards whose contract says that lower is better.</summary>
    /// <param name="scale">The factor on the loss, finite and above 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">The scale is out of range.</exception>
    public static RewardLoss Minimize(double scale = 1)
    {
        RequireScale(scale);
        return new RewardLoss(Kind.Fall, target: null, scale);
    }

    /// <summary>Makes the default loss of a reward: <see cref="Maximize"/> or <see cref="Minimize"/>, as its contract's direction says.</summary>
    /// <param name="contract">The reward's contract.</param>
    /// <param name="scale">The factor on the loss, finite and above 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">The scale is out of range.</exception>
    public static RewardLoss ForReward(RewardContract contract, double scale = 1)
    {
        ArgumentNullException.ThrowIfNull(contract);
        return contract.Direction == ScoreDirection.HigherIsBetter ? Maximize(scale) : Minimize(scale);
    }

    /// <summary>Computes the loss.</summary>
    /// <param name="scores">Scores of any shape.</param>
    /// <returns>A scalar that carries the scores' gradient; the caller owns it.</returns>
    public Tensor Compute(Tensor scores)
    {
        ArgumentNullException.ThrowIfNull(scores);
        using DisposeScope scope = NewDisposeScope();
        double target = TargetScore ?? 0;
        Tensor each = _form switch
        {
            Kind.Distance => scores.Sub(target).abs(),
            Kind.Shortfall => scores.SubtractedFrom(target),
            Kind.Rise => -scores,
            _ => scores,
        };
        return each.mean().Mul(Scale).MoveToOuterDisposeScope();
    }

    /// <summary>Gives the loss as a formula of the scores, the same in every culture.</summary>
    public override string ToString() => _form switch
    {
        Kind.Distance => $"{Scale} mean |score - {TargetScore}|",
        Kind.Shortfall => $"{Scale} mean ({TargetScore} - score)",
        Kind.Rise => $"-{Scale} mean score",
        _ => $"{Scale} mean score",
    };

    private static void RequireTarget(double target)
    {
        if (!double.IsFinite(target))
        {
            throw new ArgumentOutOfRangeException(nameof(target), target, "The target must be a finite score.");
        }
    }

    private static void RequireScale(double scale)
    {
        if (!(double.IsFinite(scale) && scale > 0))
        {
            throw new ArgumentOutOfRangeException(
                nameof(scale), scale, "The scale must be a finite number above 0. To reverse a reward's direction, give it a negative weight.");
        }
    }
}
