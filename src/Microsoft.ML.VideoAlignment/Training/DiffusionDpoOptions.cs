namespace Microsoft.ML.VideoAlignment;

/// <summary>
/// Diffusion-DPO (Wallace et al. 2023, arXiv 2311.12908): the denoiser learns to fit the better of two videos of a prompt more than the worse, relative to the
/// base model. The pairs are made with the reward. Defaults are those of github.com/SalesforceAIResearch/DiffusionDPO (launchers/sd15.sh at dff8e10) unless a property says
/// otherwise. Guidance acts when the videos are sampled, and not in learning.
/// </summary>
public sealed record DiffusionDpoOptions
{
    /// <summary>How strongly a pair's difference counts, above 0; 5000 by default: the smaller, the farther the model may go from the base.</summary>
    public double Beta { get; init; } = 5000;

    /// <summary>
    /// Prompts sampled before learning from them, each of which gives a pair unless its videos score alike (but for 1.9e-6 of the largest, which is rounding),
    /// at least 1; null (default): as many as two optimizer
    /// steps take. An optimizer step takes <see cref="VideoAlignmentOptions.BatchSize"/> x <see cref="VideoAlignmentOptions.AccumulationSteps"/> pairs.
    /// </summary>
    public int? PairsPerRollout { get; init; }

    /// <summary>Videos sampled for each prompt, of which the best and the worst are the pair, at least 2; 2 by default.</summary>
    public int CandidatesPerPrompt { get; init; } = 2;

    /// <summary>How often each pair is learned from, each time at another noise level, at least 1; 1 by default.</summary>
    public int InnerEpochs { get; init; } = 1;

    /// <summary>Whether the pairs come from the base model, as a data set made beforehand would, or from the model as aligned so far; false by default: from the latter.</summary>
    public bool SampleFromBaseModel { get; init; }

    /// <summary>Pairs of a rollout where an optimizer step takes <paramref name="pairs"/>.</summary>
    internal int Pairs(int pairs) => PairsPerRollout ?? (2 * pairs);

    /// <summary>What is wrong.</summary>
    /// <param name="pairs">Pairs that an optimizer step takes.</param>
    internal IEnumerable<string> Faults(int pairs) => new (bool Holds, string Fault)[]
    {
        (Beta > 0 && double.IsFinite(Beta), FormattableString.Invariant($"{nameof(Beta)} must be above 0, got {Beta}.")),
        (PairsPerRollout is null or >= 1, $"{nameof(PairsPerRollout)} must be at least 1, or null, got {PairsPerRollout}."),
        (CandidatesPerPrompt >= 2, $"{nameof(CandidatesPerPrompt)} must be at least 2, got {CandidatesPerPrompt}."),
        ((long)Pairs(pairs) * CandidatesPerPrompt <= Array.MaxLength,
            $"{nameof(CandidatesPerPrompt)} x {nameof(PairsPerRollout)} must be at most {Array.MaxLength} videos, got {CandidatesPerPrompt} x {Pairs(pairs)}."),
        (InnerEpochs >= 1, $"{nameof(InnerEpochs)} must be at least 1, got {InnerEpochs}."),
    }.Where(check => !check.Holds).Select(check => $"{nameof(DiffusionDpoOptions)}.{check.Fault}");
}
