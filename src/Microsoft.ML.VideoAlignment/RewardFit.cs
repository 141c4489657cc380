using Microsoft.ML.Runtime;

namespace Microsoft.ML.VideoAlignment;

/// <summary>Whether a reward can do what is asked of it, told before anything is generated.</summary>
internal static class RewardFit
{
    /// <summary>Checks from the contract alone that <paramref name="reward"/> can train on <paramref name="shown"/> frames a video.</summary>
    /// <exception cref="RewardContractException">It cannot; the message says why and what to try.</exception>
    public static void RequireTrainable(VideoReward reward, int shown, AlignmentAlgorithm algorithm)
    {
        RewardContract contract = reward.Contract;
        if (algorithm.NeedsRewardGradient && !contract.IsDifferentiable)
        {
            throw new RewardContractException(
                $"Reward '{reward.Name}' says that its score carries no gradient, and {nameof(AlignmentAlgorithm)}.{nameof(AlignmentAlgorithm.RewardGradient)} follows nothing else. "
                + $"Use {nameof(AlignmentAlgorithm)}.{nameof(AlignmentAlgorithm.Ddpo)} or {nameof(AlignmentAlgorithm)}.{nameof(AlignmentAlgorithm.DiffusionDpo)} "
                + $"({nameof(VideoAlignmentOptions)}.{nameof(VideoAlignmentOptions.Algorithm)}), which learn from scores alone, or a differentiable reward that goes the same way.");
        }

        if (!Takes(contract, shown))
        {
            throw new RewardContractException(
                $"Reward '{reward.Name}' takes at least {contract.MinimumFrames} frames{(contract.FrameMultiple > 1 ? $", a multiple of {contract.FrameMultiple}" : "")}, "
                + $"but training would show it {shown}. Show it more (VideoAlignmentOptions.RewardFrames), or make longer videos (Frames).");
        }
    }

    /// <summary>Whether videos of <paramref name="frames"/> frames fit the contract.</summary>
    public static bool Takes(RewardContract contract, int frames) => frames >= contract.MinimumFrames && frames % contract.FrameMultiple == 0;

    /// <summary>One call of the reward on random frames, forward and, where the algorithm goes there, backward.</summary>
    /// <exception cref="RewardContractException">The score has the wrong shape, is not finite, or carries no gradient where one is needed.</exception>
    public static void Try(VideoReward reward, Device device, int shown, VideoSize size, IReadOnlyList<string> prompts, AlignmentAlgorithm algorithm, IChannel channel)
    {
        foreach (string oddity in RewardContractCheck.Run(reward, device, shown, size.Height, size.Width, algorithm.NeedsRewardGradient, prompts: prompts).Warnings)
        {
            channel.Warning(MessageSensitivity.None, "Reward '{0}': {1}", reward.Name, oddity);
        }
    }
}
