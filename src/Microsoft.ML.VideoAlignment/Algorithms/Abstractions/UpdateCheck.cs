using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Algorithms;

/// <summary>Finds numbers of an optimizer step that are not finite, before they reach the weights or right after.</summary>
/// <param name="adapters">The adapters that are trained.</param>
/// <param name="options">The optimizer's options.</param>
internal sealed class UpdateCheck(LoraAdapters adapters, OptimizerOptions options)
{
    private const string LookAtReward = "Lower the learning rate or the guidance scale, or look for divisions and logarithms in the reward.";

    // What to try when an update overflows.
    private string SmallerSteps =>
        $"{nameof(options.LearningRate)} {options.LearningRate}, {nameof(options.WeightDecay)} {options.WeightDecay} or "
        + $"{nameof(options.Epsilon)} {options.Epsilon} makes an update that float32 cannot hold: lower the learning rate (2e-4 by default), "
        + "and leave the others at 0.01 and 1e-8.";

    /// <summary>Looks at the means of a step.</summary>
    /// <param name="reward">Mean score.</param>
    /// <param name="loss">Mean loss.</param>
    /// <returns>What is not finite and what to try; null: both are.</returns>
    public static string? FindInScores(double reward, double loss) =>
        !double.IsFinite(reward) ? Describe("the score", LookAtReward) : !double.IsFinite(loss) ? Describe("the loss", LookAtReward) : null;

    /// <summary>Looks at the gradient.</summary>
    /// <param name="norm">Its L2 norm over all adapters.</param>
    /// <returns>The first factor whose gradient is not finite, and what to try; null: all are.</returns>
    public string? FindInGradient(double norm) => double.IsFinite(norm) ? null : DescribeGradient();

    /// <summary>Divides the gradient by the scale of the loss and finds what float16 explains; does nothing in other runs.</summary>
    /// <param name="scaler">The scale of the loss.</param>
    /// <param name="reward">Mean score.</param>
    /// <param name="loss">Mean loss.</param>
    /// <returns>What left float16's range; null: nothing did.</returns>
    public string? FindOverflow(LossScaler scaler, double reward, double loss)
    {
        if (!scaler.IsActive)
        {
            return null;
        }

        bool finite = scaler.Unscale(adapters.Parameters);
        return !double.IsFinite(reward) && !scaler.ExplainsScores ? null : FindInScores(reward, loss) ?? (finite ? null : DescribeGradient());
    }

    /// <summary>Computes whether numbers that AdamW multiplies by fit float32.</summary>
    /// <returns>What to change; null: they do.</returns>
    public string? FindInOptions()
    {
        double decay = options.LearningRate * options.WeightDecay;
        double largest = Math.Max(options.LearningRate / (1 - options.Beta1), Math.Max(decay, options.Epsilon));
        return largest <= float.MaxValue ? null : Describe("the update", SmallerSteps);
    }

    /// <summary>Looks at the factors after the update; where one is not finite, those before it are the last good ones.</summary>
    /// <returns>The first factor that is not finite, and what to try; null: all are.</returns>
    public string? FindInFactors()
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        return HostRead.Flag(stack([.. adapters.Parameters.Select(static factor => factor.isfinite().all())]).all())
            ? null
            : Describe($"the update of {adapters.NamedFactors.First(pair => !HostRead.Flag(pair.Factor.isfinite().all())).Name}", SmallerSteps);
    }

    private static string Describe(string what, string advice) => $"{what} is not finite. {advice}";

    private string DescribeGradient() => Describe($"the gradient of {FirstNonFiniteGradient()}", LookAtReward);

    private string FirstNonFiniteGradient()
    {
        using DisposeScope scope = NewDisposeScope();
        (string? name, _) = adapters.NamedFactors.FirstOrDefault(pair => pair.Factor.grad is { } gradient && !HostRead.Flag(gradient.isfinite().all()));
        return name ?? "all factors together, whose norm is beyond float32,"; // each is finite by itself
    }
}
