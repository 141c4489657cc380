namespace Microsoft.ML.VideoAlignment;

/// <summary>
/// Where the gradient of an alignment comes from. The reward's own gradient (VADER) is the default; the other two are the paper's baselines, which use
/// nothing of a reward but its scores, so that it need not be differentiable.
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
    /// <param name="options">Rollouts, clipping and advantages; null: the defaults.</param>
    public static AlignmentAlgorithm Ddpo(DdpoOptions? options = null) => new Policy(options ?? new DdpoOptions());

    /// <summary>
    /// Preferences between videos of one prompt, made with the reward (Diffusion-DPO, Wallace et al. 2023, arXiv 2311.12908). For models whose forward process
    /// is DDPM's: ModelScope and VideoCrafter.
    /// </summary>
    /// <param name="options">Pairs and their weight; null: the defaults.</param>
    public static AlignmentAlgorithm DiffusionDpo(DiffusionDpoOptions? options = null) => new Preferences(options ?? new DiffusionDpoOptions());

    /// <summary>Whether the reward must carry gradient.</summary>
    internal bool NeedsRewardGradient => this is Gradient;

    /// <summary>Lists what is wrong with the algorithm's options, one sentence each.</summary>
    /// <param name="videos">Videos (Diffusion-DPO: pairs) of an optimizer step: batch size x accumulation steps.</param>
    internal virtual IEnumerable<string> Faults(int videos) => [];

    /// <summary>Checks that the algorithm fits a model and a number of denoising steps.</summary>
    /// <param name="model">The model to be aligned.</param>
    /// <param name="steps">Denoising steps of the run.</param>
    /// <exception cref="NotSupportedException">The model's latents follow another forward process.</exception>
    /// <exception cref="ArgumentException">The sampler gives no policy for so few or so many steps, or no step is left to learn from.</exception>
    internal virtual void Require(VideoDiffusionModel model, int steps)
    {
    }

    internal sealed record Gradient : AlignmentAlgorithm
    {
        public override string ToString() => "reward gradient";
    }

    internal sealed record Policy(DdpoOptions Options) : AlignmentAlgorithm
    {
        public override string ToString() => $"DDPO ({Options})";

        internal override IEnumerable<string> Faults(int videos) => Options.Faults(videos);

        internal override void Require(VideoDiffusionModel model, int steps)
        {
            int count = model.PolicyScheduler.CreatePolicy(steps, Options.Eta).Timesteps.Count;
            if (Options.TrainedSteps(count) < 1)
            {
                throw new ArgumentException(
                    $"{nameof(DdpoOptions)}.{nameof(DdpoOptions.TimestepFraction)} must leave at least one of {count} denoising steps, "
                    + $"got {Options.TimestepFraction}.");
            }
        }
    }

    internal sealed record Preferences(DiffusionDpoOptions Options) : AlignmentAlgorithm
    {
        public override string ToString() => $"Diffusion-DPO ({Options})";

        internal override IEnumerable<string> Faults(int videos) => Options.Faults(videos);

        internal override void Require(VideoDiffusionModel model, int steps) => _ = model.PolicyScheduler;
    }
}
