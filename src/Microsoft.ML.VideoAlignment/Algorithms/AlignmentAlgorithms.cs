using Microsoft.ML.VideoAlignment.Algorithms.Ddpo;
using Microsoft.ML.VideoAlignment.Algorithms.DiffusionDpo;
using Microsoft.ML.VideoAlignment.Algorithms.RewardGradient;

namespace Microsoft.ML.VideoAlignment;

/// <content>The algorithms there are: a method each, and the only file that knows all of them.</content>
public sealed partial record AlignmentAlgorithm
{
    /// <summary>The reward's gradient through decoder and denoising steps (VADER, arXiv 2407.08737).</summary>
    /// <param name="options">Which denoising steps carry gradient; null: the last one.</param>
    public static AlignmentAlgorithm RewardGradient(RewardGradientOptions? options = null) =>
        new(new RewardGradientAlgorithm(options ?? new RewardGradientOptions()));

    /// <summary>
    /// Policy gradients over the denoising steps (DDPO, Black et al. 2023, arXiv 2305.13301). For models whose sampler is DDIM: ModelScope and VideoCrafter.
    /// </summary>
    /// <param name="options">Rollouts, clipping and advantages; null: the defaults.</param>
    public static AlignmentAlgorithm Ddpo(DdpoOptions? options = null) => new(new DdpoAlgorithm(options ?? new DdpoOptions()));

    /// <summary>
    /// Preferences between videos of one prompt, made with the reward (Diffusion-DPO, Wallace et al. 2023, arXiv 2311.12908). For models whose forward process
    /// is DDPM's: ModelScope and VideoCrafter.
    /// </summary>
    /// <param name="options">Pairs and their weight; null: the defaults.</param>
    public static AlignmentAlgorithm DiffusionDpo(DiffusionDpoOptions? options = null) =>
        new(new DiffusionDpoAlgorithm(options ?? new DiffusionDpoOptions()));
}
