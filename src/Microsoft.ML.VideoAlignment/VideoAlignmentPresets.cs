namespace Microsoft.ML.VideoAlignment;

/// <summary>
/// Options of published training runs, to start from: <c>preset with { Optimizer = preset.Optimizer with { Steps = 50 } }</c>. Where a source leaves a value
/// to its tools' defaults, the preset has that default.
/// </summary>
/// <remarks>
/// Sources: the training scripts of github.com/mihirp1998/VADER at adaf2ef, and Prabhudesai et al. 2024 (arXiv 2407.08737) for what was not released.
/// Dropout, which those scripts have on while they train, is off here.
/// </remarks>
public static class VideoAlignmentPresets
{
    /// <summary>
    /// VADER-VideoCrafter's training command: VideoCrafter2 at 320 x 512, 12 frames at 24 a second, aesthetic with HPS v2.1. The script's loss is
    /// (1.5 * 0.1 * mean |aesthetic - 10| + mean |1 - hps|) / 2; below those targets its gradient is that of the reward
    /// <c>0.075f * aesthetic + 0.5f * hps</c>, whose mean these options maximize.
    /// </summary>
    public static VideoAlignmentOptions VaderVideoCrafterHpsAesthetic { get; } = new()
    {
        Sampling = new() { Frames = 12, Height = 320, Width = 512, FramesPerSecond = 24, Steps = 25, GuidanceScale = 12, Eta = 1 },
        Lora = new() { Rank = 16, Alpha = 8, Layers = LoraLayers.AttentionQkv },
        Optimizer = new() { LearningRate = 2e-4, WeightDecay = 0.01, MaxGradientNorm = 1, BatchSize = 1, AccumulationSteps = 8, Steps = 450 },
        Algorithm = AlignmentAlgorithm.RewardGradient(new() { GradientSteps = 1 }),
        Reward = new() { Frames = RewardFrames.OneRandom },
    };

    /// <summary>
    /// <see cref="VaderVideoCrafterHpsAesthetic"/> for PickScore alone: the published LoRA vader_videocrafter_pickscore has this rank.
    /// </summary>
    public static VideoAlignmentOptions VaderVideoCrafterPickScore { get; } = VaderVideoCrafterHpsAesthetic with
    {
        Reward = VaderVideoCrafterHpsAesthetic.Reward with { Loss = RewardLoss.Hinge(100, 0.01) },
    };

    /// <summary>
    /// VADER-VideoCrafter's earlier command for actions: every second frame is shown to the VideoMAE classifier, and an optimizer step is of 4 videos.
    /// </summary>
    public static VideoAlignmentOptions VaderVideoCrafterAction { get; } = VaderVideoCrafterHpsAesthetic with
    {
        Optimizer = VaderVideoCrafterHpsAesthetic.Optimizer with { AccumulationSteps = 4 },
        Reward = VaderVideoCrafterHpsAesthetic.Reward with { Frames = RewardFrames.EveryNth(2) },
    };

    /// <summary>
    /// VADER-Open-Sora's training command: 2 seconds (51 frames) at 240p, 3:4, HPS v2.1. The reward is shown one latent frame, decoded as if it were a
    /// video of its own, as the script does.
    /// </summary>
    public static VideoAlignmentOptions VaderOpenSoraHps { get; } = new()
    {
        Sampling = new() { Frames = 51, Height = 276, Width = 368, FramesPerSecond = 24, Steps = 30, GuidanceScale = 7 },
        Lora = new() { Rank = 16, Alpha = 8, Layers = LoraLayers.AttentionQkv },
        Optimizer = new() { LearningRate = 2e-4, WeightDecay = 0.01, MaxGradientNorm = 1, BatchSize = 1, AccumulationSteps = 8, Steps = 800 },
        Algorithm = AlignmentAlgorithm.RewardGradient(new() { GradientSteps = 1 }),
        Reward = new() { Frames = RewardFrames.OneRandom, LatentFrames = true, Loss = RewardLoss.Hinge(1, 1) },
    };

    /// <summary>
    /// VADER-ModelScope's training command: 384 x 384, 16 frames, aesthetic, every layer adapted with a scale of 1. The script asks for 16 videos a step and,
    /// by advancing its counter twice, makes a step of 8 (its gradient divided by 16); here a step is of the 16 that were asked for.
    /// </summary>
    public static VideoAlignmentOptions VaderModelScopeAesthetic { get; } = new()
    {
        Sampling = new()
        {
            Frames = 16,
            Height = 384,
            Width = 384,
            Steps = 25,
            GuidanceScale = 9,
            Eta = 0,
            Sampler = "DPMSolverMultistepScheduler",
        },
        Lora = new() { Rank = 16, Alpha = 16, Layers = LoraLayers.All },
        Optimizer = new() { LearningRate = 2e-4, WeightDecay = 0, MaxGradientNorm = 1, BatchSize = 1, AccumulationSteps = 16 },
        Algorithm = AlignmentAlgorithm.RewardGradient(new() { GradientSteps = 1 }),
        Reward = new() { Frames = RewardFrames.OneRandom, Loss = RewardLoss.Aesthetic },
    };

    /// <summary>
    /// The paper's image-to-video experiment, aesthetic on Stable Video Diffusion, for which no code was released: VADER's usual learning rate and rank with
    /// the model publisher's sampler. <see cref="VideoSamplingOptions.ImageColumnName"/> is left for you to set.
    /// </summary>
    /// <remarks>One gradient step, the one that moves the video most: the last of Stable Video Diffusion is nearly inert.</remarks>
    public static VideoAlignmentOptions VaderStableVideoAesthetic { get; } = new()
    {
        Sampling = new() { Steps = 25 },
        Lora = new() { Rank = 16, Alpha = 8, Layers = LoraLayers.AttentionQkv },
        Optimizer = new() { AccumulationSteps = 8 },
        Algorithm = AlignmentAlgorithm.RewardGradient(new() { Window = GradientWindow.MostSensitive(1) }),
        Reward = new() { Frames = RewardFrames.OneRandom, Loss = RewardLoss.Aesthetic },
    };

    /// <summary>
    /// The paper's longer videos, V-JEPA's consistency on Stable Video Diffusion extended three times from the last frame, for which no code was released.
    /// <see cref="VideoSamplingOptions.ImageColumnName"/> is left for you to set.
    /// </summary>
    /// <remarks>
    /// The reward sees the whole video as one input of V-JEPA: 16 frames, evenly spread over the 42 or 75, so that what changes from segment to segment is in
    /// its view. <see cref="RewardFrames.Windows"/> shows it consecutive frames instead, joints included. V-JEPA prefers videos that stand still
    /// (<see cref="VideoRewards.TemporalConsistency"/>): watch the motion of what is aligned.
    /// </remarks>
    public static VideoAlignmentOptions VaderStableVideoConsistency { get; } = VaderStableVideoAesthetic with
    {
        Sampling = VaderStableVideoAesthetic.Sampling with { SegmentCount = 3 },
        Reward = VaderStableVideoAesthetic.Reward with { Frames = RewardFrames.Spaced(16), Loss = null },
    };
}
