namespace Microsoft.ML.VideoAlignment.Algorithms;

/// <summary>
/// What dry runs of algorithms that learn from a rollout share: their own code samples and scores the last batch and learns from one micro-batch, in few
/// denoising steps, beside tensors of the size of everything that the rollout has gathered by then.
/// </summary>
internal static class RolloutDryRun
{
    /// <summary>The denoising steps that are run: one like the others, and one before it that leaves something.</summary>
    public const int DenoisingSteps = 2;

    /// <summary>Shortens a run to few denoising steps and one micro-batch.</summary>
    /// <param name="run">The run.</param>
    /// <param name="steps">The fewest denoising steps.</param>
    public static TrainingRun Shorten(TrainingRun run, int steps) => run with
    {
        Sampling = ShortenedSampling.Create(run.Model, run.Sampling, steps),
        Optimizer = run.Optimizer with { AccumulationSteps = 1 },
    };

    /// <summary>Scores a batch as a rollout's is scored.</summary>
    /// <param name="run">The run.</param>
    /// <param name="latents">[B, c, T, h, w].</param>
    public static void Score(TrainingRun run, Tensor latents) =>
        new RolloutScorer(run, new WorkCount()).Add(latents, MetaSegment.EmptyPrompts((int)latents.shape[0]), static _ => 0);
}
