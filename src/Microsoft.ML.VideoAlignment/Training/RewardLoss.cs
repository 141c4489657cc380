using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment;

/// <summary>
/// What training makes of scores: the one place where a reward gets a target, a sign and a scale. Every form is a mean over the scores given, so a
/// batch of any size, and one frame or many, weigh the same. Presets carry the constants of VADER's released code (commit adaf2ef).
/// </summary>
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

    /// <summary>The score to come near to, or null where the score itself is raised or lowered.</summary>
    public double? TargetScore { get; }

    /// <summary>A factor on the loss, above 0.</summary>
    public double Scale { get; }

    /// <summary>VADER's aesthetic loss: 0.1 * mean |score - 10| (aesthetic_loss_fn, target 10, grad_scale 0.1).</summary>
    public static RewardLoss Aesthetic { get; } = Target(10, 0.1);

    /// <summary>VADER's loss of a cosine, as HPS gives: mean |1 - score| (hps_loss_fn).</summary>
    public static RewardLoss Cosine { get; } = Target(1, 1);

    /// <summary>VADER's PickScore loss: mean |1 - score / 100| (pick_score loss_fn).</summary>
    public static RewardLoss PickScore { get; } = Target(100, 0.01);

    /// <summary>VADER's weather loss: mean |score - 1| (rainy and snowy, target 1).</summary>
    public static RewardLoss Weather { get; } = Target(1, 1);

    /// <summary>VADER's compression loss: mean(score), a size in kB to lower (target null).</summary>
    public static RewardLoss Compression { get; } = Minimize(1);

    /// <summary>scale * mean |score - target|.</summary>
    public static RewardLoss Target(double target, double scale = 1)
    {
        RequireScale(scale);
        RequireTarget(target);
        return new RewardLoss(Kind.Distance, target, scale);
    }

    /// <summary>scale * mean(target - score): the gradient of <see cref="Maximize"/>, with a loss that reads as what is missing (VADER-ModelScope's HPS form).</summary>
    public static RewardLoss Hinge(double target, double scale = 1)
    {
        RequireScale(scale);
        RequireTarget(target);
        return new RewardLoss(Kind.Shortfall, target, scale);
    }

    /// <summary>-scale * mean(score): raises the score without end.</summary>
    public static RewardLoss Maximize(double scale = 1)
    {
        RequireScale(scale);
        return new RewardLoss(Kind.Rise, target: null, scale);
    }

    /// <summary>scale * mean(score): lowers the score without end, for rewards whose contract says that lower is better.</summary>
    public static RewardLoss Minimize(double scale = 1)
    {
        RequireScale(scale);
        return new RewardLoss(Kind.Fall, target: null, scale);
    }

    /// <summary>The plain form for a reward: raises or lowers its score as its contract's direction says.</summary>
    public static RewardLoss ForReward(RewardContract contract, double scale = 1)
    {
        ArgumentNullException.ThrowIfNull(contract);
        return contract.Direction == ScoreDirection.HigherIsBetter ? Maximize(scale) : Minimize(scale);
    }

    /// <summary>scores: any shape -> the loss, a scalar that carries the scores' gradient.</summary>
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
            throw new ArgumentOutOfRangeException(nameof(scale), scale, "The scale must be a finite number above 0. To turn a reward's sense round, give it a negative weight.");
        }
    }
}
