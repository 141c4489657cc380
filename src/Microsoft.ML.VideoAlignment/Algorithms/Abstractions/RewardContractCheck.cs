using System.Globalization;
using Microsoft.ML.VideoAlignment.Rewards;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment;

/// <summary>
/// The result of a trial call of a reward on small random frames, before anything expensive begins. It checks shape and values of the score, and whether
/// gradient reaches the frames.
/// </summary>
public sealed record RewardContractCheck
{
    private static readonly string[] s_prompts = ["a red circle", "a photograph of a dog"];

    private RewardContractCheck(string reward) => Reward = reward;

    /// <summary>The reward's name.</summary>
    public string Reward { get; }

    /// <summary>The lowest score of the trial frames.</summary>
    public float LowestScore { get; private init; }

    /// <summary>The highest score of the trial frames.</summary>
    public float HighestScore { get; private init; }

    /// <summary>L2 norm of the gradient of the summed scores with respect to the frames; null: none was asked for.</summary>
    public double? GradientNorm { get; private init; }

    /// <summary>Warnings about what is not an error, such as a score outside the range that the contract expects; empty: none.</summary>
    public IReadOnlyList<string> Warnings { get; private init; } = [];

    /// <summary>Calls a reward on random frames.</summary>
    /// <param name="reward">The reward, already on <paramref name="device"/>.</param>
    /// <param name="device">The device of the run.</param>
    /// <param name="frames">Frames of a trial video, raised to the contract's minimum and multiple.</param>
    /// <param name="height">Height in pixels.</param>
    /// <param name="width">Width in pixels.</param>
    /// <param name="needsGradient">Whether the algorithm back-propagates through the reward: reward gradients do; DDPO, DPO and scoring do not.</param>
    /// <param name="batch">Videos of the trial; 2 reveals rewards that average over the batch.</param>
    /// <param name="prompts">Prompts of the trial, in turn; null: two of the check's own. A reward that knows only some prompts needs one of those.</param>
    /// <returns>Scores, gradient norm and warnings.</returns>
    /// <exception cref="RewardContractException">The reward breaks its contract, or carries no gradient where one is needed.</exception>
    public static RewardContractCheck Run(
        VideoReward reward, Device device, int frames = 1, int height = 32, int width = 32, bool needsGradient = true, int batch = 2,
        IReadOnlyList<string>? prompts = null)
    {
        ArgumentNullException.ThrowIfNull(reward);
        RewardContract contract = reward.Contract;
        contract.Validate(reward.Name);
        if (needsGradient && !contract.IsDifferentiable)
        {
            throw NoGradient(reward, "its contract says that it is not differentiable");
        }

        int count = Math.Max(frames, contract.MinimumFrames);
        count = (count + contract.FrameMultiple - 1) / contract.FrameMultiple * contract.FrameMultiple;
        using DisposeScope scope = NewDisposeScope();
        using var generator = new Generator(1);

        // Away from 0 and 1, where a clamp has no gradient. Gradients are on whatever the caller's mode is: the trial stands for a gradient step.
        Tensor trial = rand([batch, 3, count, height, width], generator: generator).Mul(0.8).Add(0.1).to(device).requires_grad_(needsGradient);
        IReadOnlyList<string> given = prompts is { Count: > 0 } ? prompts : s_prompts;
        using Tensor? before = needsGradient ? null : trial.clone();
        string[] trialPrompts = [.. Enumerable.Range(0, batch).Select(row => given[row % given.Count])];
        using IDisposable mode = enable_grad(needsGradient);
        Tensor score = reward.Score(trial, trialPrompts, ScoreUse.Repetition);
        if (before is not null && !before.Equals(trial))
        {
            throw new RewardContractException(
                $"Reward '{reward.Name}' changed the frames that it was given, which belong to the caller. Use operations that make a new tensor: "
                + "mul instead of mul_.");
        }

        if (needsGradient && !score.requires_grad)
        {
            throw NoGradient(reward, "its score does not require grad although the frames do");
        }

        float[] values = HostRead.Numbers<float>(score.detach().to(ScalarType.Float32));
        if (values.Any(value => !float.IsFinite(value)))
        {
            throw new RewardContractException($"Reward '{reward.Name}' gave scores that are not finite on frames in [0, 1]: {Numbers(values)}.");
        }

        return new RewardContractCheck(reward.Name)
        {
            LowestScore = values.Min(),
            HighestScore = values.Max(),
            GradientNorm = needsGradient ? Gradient(reward, score, trial) : null,
            Warnings = [.. RangeWarnings(contract, values), .. Trainable(reward)],
        };
    }

    /// <summary>Checks the values of frames. It waits for the device, so it is for frames that come from outside, not for each training step.</summary>
    /// <param name="frames">Frames of any shape, which must be in [0, 1] up to 1e-3.</param>
    /// <exception cref="RewardContractException">A value is outside [0, 1] or not a number.</exception>
    public static void RequireUnitRange(Tensor frames)
    {
        ArgumentNullException.ThrowIfNull(frames);
        using DisposeScope scope = NewDisposeScope();
        Tensor values = frames.detach().to_type(ScalarType.Float32);
        if (values.numel() == 0)
        {
            return;
        }

        // Slightly outside is rounding of an encoder or a resize, not another convention. NaN is in no range.
        Tensor outside = values.AtLeast(-Slack).logical_and(values.AtMost(1 + Slack)).logical_not();
        long count = (long)HostRead.Number(outside.sum());
        if (count == 0)
        {
            return;
        }

        long[] place = HostRead.Numbers<long>(outside.nonzero()[0]);
        float first = (float)HostRead.Number(values[[.. place.Select(index => TensorIndex.Single(index))]]);
        Tensor numbers = values.masked_select(values.isfinite());
        string where = string.Create(
            CultureInfo.InvariantCulture,
            $"{Shapes.Describe(frames)} has {count} others, the first is {first:g4} at {Shapes.Describe((IEnumerable<long>)place)}");
        throw new RewardContractException($"Frames must be RGB in [0, 1]; {where}." + (!float.IsFinite(first) || numbers.numel() == 0
            ? " An earlier computation has divided by zero or overflowed; clamping does not repair that."
            : Hint((float)HostRead.Number(numbers.min()), (float)HostRead.Number(numbers.max()))));
    }

    private const float Slack = 1e-3f;

    private static string Hint(float low, float high) =>
        low < -Slack && high <= 1.5f && low >= -1.5f ? " These look like pixels in [-1, 1]: use x / 2 + 0.5."
        : high > 2 && high <= 255 && low >= 0 ? " These look like bytes: divide by 255."
        : " Clamp them if they overshoot.";

    private static double Gradient(VideoReward reward, Tensor score, Tensor trial)
    {
        Recompute.Backward(score.sum());
        if (trial.grad is not { } gradient)
        {
            throw NoGradient(reward, "its score has a graph, but the graph does not reach the frames");
        }

        double norm = HostRead.Number(gradient.to(ScalarType.Float32).norm());
        if (!double.IsFinite(norm))
        {
            throw new RewardContractException(
                $"The gradient of reward '{reward.Name}' with respect to its frames is not finite. A square root or a norm of zero, or a " +
                "division by zero, has an infinite slope there: add a small constant inside.");
        }

        return norm > 0 || reward.Contract.GradientMayVanish
            ? norm
            : throw new RewardContractException(
                $"The gradient of reward '{reward.Name}' with respect to its frames is zero everywhere: training would change nothing. " +
                "Rounding, thresholds, argmax and counting have no slope; replace them by a smooth form, or declare IsDifferentiable = false and use DDPO or " +
                "DPO. Where zero is right on such frames, as for a detector that finds nothing, declare GradientMayVanish = true.");
    }

    private static List<string> RangeWarnings(RewardContract contract, float[] values)
    {
        (float low, float high) = contract.ScoreRange;
        return values.All(value => value >= low && value <= high)
            ? []
            : [$"Scores of random frames, {Numbers(values)}, leave the range {low:g4} .. {high:g4} that the contract expects."];
    }

    private static IEnumerable<string> Trainable(VideoReward reward)
    {
        nn.Module?[] networks = [.. reward.Networks];
        if (networks.Contains(null))
        {
            throw new RewardContractException(
                $"{nameof(VideoReward.Networks)} of reward '{reward.Name}' holds null among {networks.Length}; expected modules.");
        }

        int trainable = networks.Sum(static network => network!.parameters().Count(static parameter => parameter.requires_grad));
        return trainable == 0 ? []
            : [$"{trainable} weights of its networks require gradient, which costs memory and is never used. Freeze each: weight.requires_grad_(false)."];
    }

    private static string Numbers(float[] values) => string.Join(", ", values.Select(value => value.ToString("g4", CultureInfo.InvariantCulture)));

    private static RewardContractException NoGradient(VideoReward reward, string why) => new(
        $"Reward '{reward.Name}' carries no gradient: {why}. Training by reward gradients needs one from the score back to every pixel. " +
        "Look for no_grad() or inference_mode(), detach(), .item() or .data<T>(), a round trip through arrays or image files, argmax, rounding or " +
        "comparisons inside the reward. A reward without gradient still works with DDPO, with DPO and for scoring.");
}
