using Microsoft.ML.Runtime;
using Microsoft.ML.VideoAlignment.Algorithms;
using Microsoft.ML.VideoAlignment.Sampling;

namespace Microsoft.ML.VideoAlignment.MLNet;

/// <summary>Checks before anything is generated that a reward can do what is asked of it.</summary>
internal static class RewardProbe
{
    /// <summary>Checks from the contract alone that a reward can train under given options. In validation it is shown as many frames.</summary>
    /// <param name="reward">The reward.</param>
    /// <param name="options">The options of training.</param>
    /// <param name="model">The model to align.</param>
    /// <returns>How many frames the reward is shown at a time: those of a video, or of a window of it.</returns>
    /// <exception cref="RewardContractException">The reward cannot train the model; the message says why and what to try.</exception>
    public static int RequireTrainable(VideoReward reward, VideoAlignmentOptions options, VideoDiffusionModel model)
    {
        (RewardContract contract, IAlgorithm algorithm) = (reward.Contract, options.Algorithm.Definition);
        int available = options.ResolveSampling(model).RewardFrameCount(model), shown = options.ResolveFrames(reward).CountTogether(available);
        if (algorithm.NeedsRewardGradient && !contract.IsDifferentiable)
        {
            const string Algorithms = nameof(AlignmentAlgorithm);
            throw new RewardContractException(
                $"Reward '{reward.Name}' declares that its score carries no gradient, which {Algorithms}.{nameof(AlignmentAlgorithm.RewardGradient)} needs. "
                + $"Use {Algorithms}.{nameof(AlignmentAlgorithm.Ddpo)} or {Algorithms}.{nameof(AlignmentAlgorithm.DiffusionDpo)} "
                + $"({nameof(VideoAlignmentOptions)}.{nameof(VideoAlignmentOptions.Algorithm)}), which learn from scores alone, "
                + "or a differentiable reward for the same goal.");
        }

        if (options.ResolveFrames(reward).IsWindowed && contract.ScoresFramesSeparately)
        {
            throw new RewardContractException(
                $"Reward '{reward.Name}' scores each frame by itself, so windows of frames ({FramesOption} = {nameof(RewardFrames)}."
                + $"{nameof(RewardFrames.Windows)}) would only count some frames more often than others. "
                + $"Use {nameof(RewardFrames)}.{nameof(RewardFrames.All)}, or {nameof(RewardFrames.Spaced)} or {nameof(RewardFrames.RandomFrames)} "
                + "to show fewer.");
        }

        if (!FitsContract(contract, shown))
        {
            bool windowed = options.ResolveFrames(reward).IsWindowed;
            string multiple = contract.FrameMultiple > 1 ? $", a multiple of {contract.FrameMultiple}" : "";
            throw new RewardContractException(
                $"Reward '{reward.Name}' takes at least {contract.MinimumFrames} frames{multiple}, "
                + $"but training would show it {shown} of {available}{(windowed ? " at a time" : "")}. {Remedy(contract, available, windowed)}");
        }

        return shown;
    }

    private const string FramesOption = $"{nameof(VideoAlignmentOptions.Reward)}.{nameof(RewardOptions.Frames)}";

    private static string Remedy(RewardContract contract, int available, bool windowed)
    {
        int most = available / contract.FrameMultiple * contract.FrameMultiple;
        return most >= contract.MinimumFrames && most > 0
            ? windowed
                ? $"Give {FramesOption} = {nameof(RewardFrames)}.{nameof(RewardFrames.Windows)} a length that the reward takes, at most {most}."
                : $"Show it another number ({FramesOption} = {nameof(RewardFrames)}.{nameof(RewardFrames.Spaced)}({most}))."
            : $"Make longer videos ({nameof(VideoAlignmentOptions.Sampling)}.{nameof(VideoSamplingOptions.Frames)}).";
    }

    /// <summary>Tells whether videos of a number of frames fit a contract.</summary>
    /// <param name="contract">The reward's contract.</param>
    /// <param name="frames">Frames that the reward is shown.</param>
    public static bool FitsContract(RewardContract contract, int frames) => frames >= contract.MinimumFrames && frames % contract.FrameMultiple == 0;

    /// <summary>Calls the reward once on random frames: forward and, where the algorithm needs it, backward.</summary>
    /// <param name="reward">The reward.</param>
    /// <param name="device">The device that trains.</param>
    /// <param name="shown">Frames that the reward is shown.</param>
    /// <param name="size">Height and width of the frames; its number of frames is not read.</param>
    /// <param name="prompts">The run's prompts, as the reward reads them.</param>
    /// <param name="algorithm">The algorithm, which says whether gradient is needed.</param>
    /// <param name="channel">The log, for warnings.</param>
    /// <exception cref="RewardContractException">The score has the wrong shape, is not finite, or carries no gradient where one is needed.</exception>
    public static void Run(
        VideoReward reward, Device device, int shown, VideoSize size, IReadOnlyList<string> prompts, IAlgorithm algorithm, IChannel channel)
    {
        using IDisposable used = RewardDevices.Use(reward, device);
        var check = RewardContractCheck.Run(reward, device, shown, size.Height, size.Width, algorithm.NeedsRewardGradient, prompts: prompts);
        foreach (string warning in check.Warnings)
        {
            Log.Warn(channel, $"Reward '{reward.Name}': {warning}");
        }
    }
}
