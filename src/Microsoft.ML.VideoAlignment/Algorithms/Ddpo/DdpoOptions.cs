namespace Microsoft.ML.VideoAlignment;

/// <summary>
/// Options of DDPO (Black et al. 2023, arXiv 2305.13301): denoising as a decision process, learned by clipped policy gradients from scores alone. Defaults are
/// those of github.com/kvablack/ddpo-pytorch at 1958463 unless a property says otherwise.
/// </summary>
/// <remarks>
/// That code's other settings are properties of <see cref="VideoAlignmentOptions"/>: batch size, accumulation, learning rate (there 3e-4), weight decay (1e-4),
/// clipping.
/// Rollouts are sampled by DDIM with fresh noise in each step, made from the model's own scheduler file, whatever sampler videos are generated with later.
/// As in the reference, the last step goes to the noise level of timestep 0; where the file's timesteps would end at 0, at which no noise is drawn, all of them
/// are one later (steps_offset 1, which Stable Diffusion's files have).
/// Scores whose standard deviation is at most 16 units in the last place of float32 (1.9e-6 of the largest) count as equal: their advantages are 0, an
/// optimizer step that has no others changes no weights, and a warning says so. The reference divides by such a deviation.
/// </remarks>
public sealed record DdpoOptions
{
    /// <summary>
    /// Videos sampled and scored before learning from them, a multiple of <see cref="VideoAlignmentOptions.BatchSize"/> x
    /// <see cref="VideoAlignmentOptions.AccumulationSteps"/> and at least 2; null (default): twice that product, so that each rollout gives two optimizer steps
    /// (ddpo-pytorch's aesthetic run).
    /// </summary>
    public int? SamplesPerRollout { get; init; }

    /// <summary>Videos of one prompt in a rollout, a divisor of <see cref="SamplesPerRollout"/>; 1 by default: each video has the next prompt.</summary>
    public int SamplesPerPrompt { get; init; } = 1;

    /// <summary>Passes over each rollout, at least 1; 1 by default.</summary>
    public int InnerEpochs { get; init; } = 1;

    /// <summary>
    /// PPO's clip range c, above 0; 1e-4 by default: a ratio of new to old probability outside 1 - c to 1 + c gains nothing more. It is small because the
    /// log-probability is a mean over a video's numbers, so that ratios are near 1.
    /// </summary>
    public double ClipRange { get; init; } = 1e-4;

    /// <summary>The bound that advantages are clamped to, plus and minus, above 0; 5 by default.</summary>
    public double AdvantageClip { get; init; } = 5;

    /// <summary>The share of each video's denoising steps that is learned from, drawn again in each inner epoch, in (0, 1]; 1 by default.</summary>
    public double TimestepFraction { get; init; } = 1;

    /// <summary>Whether learning uses the guided prediction, as sampling does; true by default. Without it a learning step costs half.</summary>
    public bool TrainWithGuidance { get; init; } = true;

    /// <summary>Whether a score is compared with earlier ones of its own prompt instead of with its rollout; true by default.</summary>
    public bool PerPromptAdvantages { get; init; } = true;

    /// <summary>Scores remembered for each prompt, at least 1; 32 by default (ddpo-pytorch's aesthetic run).</summary>
    public int AdvantageBuffer { get; init; } = 32;

    /// <summary>The number of remembered scores below which a prompt is compared with its rollout instead, at least 1; 16 by default.</summary>
    public int AdvantageMinimum { get; init; } = 16;

    /// <summary>
    /// Noise of the rollouts' steps in units of DDPM's, in (0, 1]; 1 by default. Generation has its own, <see cref="VideoAlignmentOptions.Eta"/>.
    /// </summary>
    public double Eta { get; init; } = 1;

    /// <summary>Counts the videos of a rollout.</summary>
    /// <param name="videos">Videos of an optimizer step: batch size x accumulation steps.</param>
    internal int SamplesOfRollout(int videos) => SamplesPerRollout ?? Math.Max(2 * videos, 2);

    /// <summary>Lists what is wrong with the options, one sentence each.</summary>
    /// <param name="videos">Videos of an optimizer step: batch size x accumulation steps.</param>
    internal IEnumerable<string> Faults(int videos)
    {
        int samples = SamplesOfRollout(videos);
        return new (bool Holds, string Fault)[]
        {
            (samples >= 2 && samples % videos == 0,
                $"{nameof(SamplesPerRollout)} must be at least 2 and a multiple of BatchSize x AccumulationSteps, {videos}, got {samples}."),
            (SamplesPerPrompt >= 1 && samples % SamplesPerPrompt == 0,
                $"{nameof(SamplesPerPrompt)} must divide the {samples} videos of a rollout, got {SamplesPerPrompt}."),
            (InnerEpochs >= 1, $"{nameof(InnerEpochs)} must be at least 1, got {InnerEpochs}."),
            (ClipRange > 0 && double.IsFinite(ClipRange), $"{nameof(ClipRange)} must be above 0, got {ClipRange}."),
            (AdvantageClip > 0, $"{nameof(AdvantageClip)} must be above 0, got {AdvantageClip}."),
            (TimestepFraction is > 0 and <= 1, $"{nameof(TimestepFraction)} must be above 0 and at most 1, got {TimestepFraction}."),
            (AdvantageBuffer >= 1, $"{nameof(AdvantageBuffer)} must be at least 1, got {AdvantageBuffer}."),
            (AdvantageMinimum >= 1, $"{nameof(AdvantageMinimum)} must be at least 1, got {AdvantageMinimum}."),
            (Eta is > 0 and <= 1, $"{nameof(Eta)} must be above 0 and at most 1 (a step without noise has no probability), got {Eta}."),
        }.Where(check => !check.Holds).Select(check => $"{nameof(DdpoOptions)}.{check.Fault}");
    }

    /// <summary>Counts the denoising steps of a video that are learned from.</summary>
    /// <param name="steps">Denoising steps of a rollout.</param>
    internal int TrainedSteps(int steps) => (int)(steps * TimestepFraction);
}
