namespace Microsoft.ML.VideoAlignment;

/// <summary>
/// Where the gradient of an alignment comes from. The reward's own gradient (VADER) is the default; the other two are the paper's baselines, which know of a
/// reward nothing but its scores, so that it need not be differentiable.
/// </summary>
public abstract record AlignmentAlgorithm
{
    private AlignmentAlgorithm()
    {
    }

    /// <summary>
    /// The reward's gradient through decoder and denoising steps (VADER, arXiv 2407.08737). Its options are those of <see cref="VideoAlignmentOptions"/>.
    /// </summary>
    public static AlignmentAlgorithm RewardGradient { get; } = new Gradient();

    /// <summary>
    /// Policy gradients over the denoising steps (DDPO, Black et al. 2023, arXiv 2305.13301). For models whose sampler is DDIM: ModelScope and VideoCrafter.
    /// </summary>
    /// <param name="options">Null: the defaults.</param>
    public static AlignmentAlgorithm Ddpo(DdpoOptions? options = null) => new Policy(options ?? new DdpoOptions());

    /// <summary>
    /// Preferences between videos of one prompt, made with the reward (Diffusion-DPO, Wallace et al. 2023, arXiv 2311.12908). For models whose forward process
    /// is DDPM's: ModelScope and VideoCrafter.
    /// </summary>
    /// <param name="options">Null: the defaults.</param>
    public static AlignmentAlgorithm DiffusionDpo(DiffusionDpoOptions? options = null) => new Preferences(options ?? new DiffusionDpoOptions());

    /// <summary>Whether the reward must carry gradient.</summary>
    internal bool NeedsRewardGradient => this is Gradient;

    internal sealed record Gradient : AlignmentAlgorithm
    {
        public override string ToString() => "reward gradient";
    }

    internal sealed record Policy(DdpoOptions Options) : AlignmentAlgorithm
    {
        public override string ToString() => $"DDPO ({Options})";
    }

    internal sealed record Preferences(DiffusionDpoOptions Options) : AlignmentAlgorithm
    {
        public override string ToString() => $"Diffusion-DPO ({Options})";
    }
}
