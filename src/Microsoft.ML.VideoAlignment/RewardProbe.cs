using Microsoft.ML.Runtime;

namespace Microsoft.ML.VideoAlignment;

/// <summary>Whether a reward can do what is asked of it, told before anything is generated.</summary>
internal static class RewardProbe
{
    /// <summary>Checks from the contract alone that a reward can train under these options. Held-out videos show it the same frames.</summary>
    /// <returns>How many frames of a video it is shown.</returns>
    /// <exception cref="RewardContractException">It cannot; the message says why and what to try.</exception>
    public static int RequireTrainable(VideoReward reward, VideoAlignmentOptions options, VideoDiffusionModel model)
    {
        (RewardContract contract, AlignmentAlgorithm algorithm) = (reward.Contract, options.Algorithm);
        int available = options.SamplingFor(model).RewardFrameCount(model), shown = options.FramesFor(reward).Count(available);
        if (algorithm.NeedsRewardGradient && !contract.IsDifferentiable)
        {
            throw new RewardContractException(
                $"Reward '{reward.Name}' says that its score carries no gradient, and {nameof(AlignmentAlgorithm)}.{nameof(AlignmentAlgorithm.RewardGradient)} follows nothing else. "
                + $"Use {nameof(AlignmentAlgorithm)}.{nameof(AlignmentAlgorithm.Ddpo)} or {nameof(AlignmentAlgorithm)}.{nameof(AlignmentAlgorithm.DiffusionDpo)} "
                + $"({nameof(VideoAlignmentOptions)}.{nameof(VideoAlignmentOptions.Algorithm)}), which learn from scores alone, or a differentiable reward that goes the same way.");
        }

        if (!NeedsRewardGradient(contract, shown))
        {
            throw new RewardContractException(
                $"Reward '{reward.Name}' takes at least {contract.MinimumFrames} frames{(contract.FrameMultiple > 1 ? $", a multiple of {contract.FrameMultiple}" : "")}, "
                + $"but training would show it {shown} of {available}. {Remedy(contract, available)}");
        }

        return shown;
    }

    private static string Remedy(RewardContract contract, int available)
    {
        int most = available / contract.FrameMultiple * contract.FrameMultiple;
        return most >= contract.MinimumFrames && most > 0
            ? $"Show it another number ({nameof(VideoAlignmentOptions.RewardFrames)} = {nameof(RewardFrames)}.{nameof(RewardFrames.Spaced)}({most}))."
            : $"Make longer videos ({nameof(VideoAlignmentOptions.Frames)}).";
    }

    /// <summary>Whether videos of <paramref name="frames"/> frames fit the contract.</summary>
    public static bool NeedsRewardGradient(RewardContract contract, int frames) => frames >= contract.MinimumFrames && frames % contract.FrameMultiple == 0;

    /// <summary>One call of the reward on random frames, forward and, where the algorithm goes there, backward.</summary>
    /// <exception cref="RewardContractException">The score has the wrong shape, is not finite, or carries no gradient where one is needed.</exception>
    public static void Run(VideoReward reward, Device device, int shown, VideoSize size, IReadOnlyList<string> prompts, AlignmentAlgorithm algorithm, IChannel channel)
    {
        using IDisposable used = RewardDevices.Use(reward, device);
        foreach (string oddity in RewardContractCheck.Run(reward, device, shown, size.Height, size.Width, algorithm.NeedsRewardGradient, prompts: prompts).Warnings)
        {
            Log.Warn(channel, $"Reward '{reward.Name}': {oddity}");
        }
    }
}
