using Microsoft.ML.VideoAlignment.Sampling;

namespace Microsoft.ML.VideoAlignment.Algorithms;

/// <summary>Samples and scores the videos of a rollout batch by batch, for algorithms that learn from scores alone.</summary>
/// <param name="run">The run.</param>
/// <param name="segments">Builds the inputs of the sampler that samples the rollout.</param>
/// <param name="work">Counts the videos that are scored.</param>
internal sealed class RolloutCollector(TrainingRun run, SegmentBuilder segments, WorkCount work)
{
    /// <summary>Collects a rollout.</summary>
    /// <typeparam name="TPart">What sampling a batch gives.</typeparam>
    /// <param name="draws">The run's random draws: prompts first, then noise and frames of each batch.</param>
    /// <param name="prompts">How many prompts are drawn.</param>
    /// <param name="videosPerPrompt">Videos of each prompt, which follow one another.</param>
    /// <param name="sample">Samples a batch without gradient.</param>
    /// <param name="latents">Gives the finished latents [B, c, T, h, w] of a batch.</param>
    /// <returns>The rollout, whose parts are in the caller's scope.</returns>
    public ScoredRollout<TPart> Collect<TPart>(
        TrainingRandom draws, int prompts, int videosPerPrompt, Func<SegmentInputs, TPart> sample, Func<TPart, Tensor> latents)
    {
        VideoPrompt[] rows = [.. draws.Prompts(prompts).SelectMany(prompt => Enumerable.Repeat(prompt, videosPerPrompt))];
        var parts = new List<TPart>();
        var scorer = new RolloutScorer(run, work);
        foreach (VideoPrompt[] batch in rows.Chunk(run.Optimizer.BatchSize))
        {
            TPart part = sample(segments.Build(segment: 0, batch, image: null, draws.NoiseFor(run.Model)));
            scorer.Add(latents(part), [.. batch.Select(prompt => prompt.Text)], draws.Next);
            parts.Add(part);
        }

        (double[] scores, double[] worth, double rounding) = scorer.Finish();
        return new ScoredRollout<TPart>(rows, parts, scores, worth, rounding);
    }
}

/// <summary>A rollout of N videos.</summary>
/// <typeparam name="TPart">What sampling a batch gives.</typeparam>
/// <param name="Prompts">The N prompts.</param>
/// <param name="Parts">The batches.</param>
/// <param name="Scores">The N scores, in the reward's own units.</param>
/// <param name="Worth">The N negated losses of one score; higher is better.</param>
/// <param name="Rounding">The difference of worths that rounding alone explains.</param>
internal sealed record ScoredRollout<TPart>(
    IReadOnlyList<VideoPrompt> Prompts, IReadOnlyList<TPart> Parts, double[] Scores, double[] Worth, double Rounding);
