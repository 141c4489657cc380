namespace Microsoft.ML.VideoAlignment;

/// <summary>What of a video the reward is shown in training and validation, and the loss that is made of its scores.</summary>
public sealed record RewardOptions
{
    /// <summary>
    /// Which frames of a training or validation video are decoded and scored; null (default): one drawn at random for rewards that are means over frames
    /// (VADER), all frames for others, and for algorithms that learn from scores alone.
    /// </summary>
    public RewardFrames? Frames { get; init; }

    /// <summary>
    /// Whether the reward is shown latent frames, each decoded as if it were a video of its own, instead of frames of the video; false by default.
    /// <see cref="Frames"/> then counts latent frames.
    /// </summary>
    /// <remarks>
    /// It is cheaper where a latent frame stands for several frames and chunks are decoded whole (Open-Sora; VADER trains it so), but the decoder does not see
    /// the frames before.
    /// </remarks>
    public bool LatentFrames { get; init; }

    /// <summary>
    /// The loss of the scores; null (default): their negative mean, or their mean for rewards of which less is better. VADER's aesthetic loss,
    /// 0.1 * mean |score - 10|, is <see cref="RewardLoss.Aesthetic"/>.
    /// </summary>
    public RewardLoss? Loss { get; init; }

    /// <summary>Gets which frames a reward is shown.</summary>
    /// <param name="reward">The reward; null: one that scores frames separately.</param>
    /// <param name="carriesGradient">Whether its gradient is followed, so that fewer frames take less memory.</param>
    internal RewardFrames ResolveFrames(VideoReward? reward, bool carriesGradient) =>
        Frames ?? (carriesGradient && reward is not { Contract.ScoresFramesSeparately: false } ? RewardFrames.OneRandom : RewardFrames.All);

    /// <summary>Gets the loss.</summary>
    /// <param name="reward">The reward, which says whether more is better.</param>
    internal RewardLoss ResolveLoss(VideoReward reward) => Loss ?? RewardLoss.ForReward(reward.Contract);
}
