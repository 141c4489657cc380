namespace Microsoft.ML.VideoAlignment;

/// <summary>
/// Options of Diffusion-DPO (Wallace et al. 2023, arXiv 2311.12908): relative to the base model, the denoiser learns to fit the better of two videos of a
/// prompt more than the worse. The pairs are made with the reward.
/// </summary>
/// <remarks>
/// Defaults are those of github.com/SalesforceAIResearch/DiffusionDPO (launchers/sd15.sh at dff8e10) unless a property says otherwise. Guidance is used when
/// the videos are sampled, and not in learning.
/// </remarks>
public sealed record DiffusionDpoOptions
{
    /// <summary>The weight beta of a pair's difference, above 0; 5000 by default: the smaller, the farther the model may move from the base.</summary>
    public double Beta { get; init; } = 5000;

    /// <summary>
    /// Prompts sampled before learning from them, at least 1; null (default): as many as two optimizer steps take. Each prompt gives a pair unless its videos
    /// score alike, within 1.9e-6 of the largest, which is rounding.
    /// </summary>
    /// <remarks>
    /// An optimizer step takes <see cref="VideoAlignmentOptions.BatchSize"/> x <see cref="VideoAlignmentOptions.AccumulationSteps"/> pairs.
    /// </remarks>
    public int? PairsPerRollout { get; init; }

    /// <summary>Videos sampled for each prompt, of which the best and the worst are the pair, at least 2; 2 by default.</summary>
    public int CandidatesPerPrompt { get; init; } = 2;

    /// <summary>Passes over each pair, each time at another noise level, at least 1; 1 by default.</summary>
    public int InnerEpochs { get; init; } = 1;

    /// <summary>
    /// Whether the pairs are sampled from the base model, like those of a data set made beforehand, instead of the model as aligned so far; false by default.
    /// </summary>
    public bool SampleFromBaseModel { get; init; }

    /// <summary>Counts the pairs of a rollout.</summary>
    /// <param name="pairs">Pairs of an optimizer step: batch size x accumulation steps.</param>
    internal int PairsOfRollout(int pairs) => PairsPerRollout ?? (2 * pairs);

    /// <summary>Lists what is wrong with the options, one sentence each.</summary>
    /// <param name="pairs">Pairs of an optimizer step: batch size x accumulation steps.</param>
    internal IEnumerable<string> Faults(int pairs) => new (bool Holds, string Fault)[]
    {
        (Beta > 0 && double.IsFinite(Beta), $"{nameof(Beta)} must be above 0, got {Beta}."),
        (PairsPerRollout is null or >= 1, $"{nameof(PairsPerRollout)} must be at least 1, or null, got {PairsPerRollout}."),
        (CandidatesPerPrompt >= 2, $"{nameof(CandidatesPerPrompt)} must be at least 2, got {CandidatesPerPrompt}."),
        ((long)PairsOfRollout(pairs) * CandidatesPerPrompt <= Array.MaxLength,
            $"{nameof(CandidatesPerPrompt)} x {nameof(PairsPerRollout)} must be at most {Array.MaxLength} videos, got {CandidatesPerPrompt} x "
                + $"{PairsOfRollout(pairs)}."),
        (InnerEpochs >= 1, $"{nameof(InnerEpochs)} must be at least 1, got {InnerEpochs}."),
    }.Where(check => !check.Holds).Select(check => $"{nameof(DiffusionDpoOptions)}.{check.Fault}");
}
