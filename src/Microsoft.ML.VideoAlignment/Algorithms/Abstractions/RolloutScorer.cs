using Microsoft.ML.VideoAlignment.Rewards;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Algorithms;

/// <summary>
/// Scores the finished latents of a rollout without gradient, for algorithms that learn from scores alone. A normalized sum is combined when the whole rollout
/// has been scored, so that all videos of a rollout are compared by one measure.
/// </summary>
/// <param name="run">The run: model, reward, sampling, frames and loss.</param>
/// <param name="work">Counts the videos that are scored.</param>
internal sealed class RolloutScorer(TrainingRun run, WorkCount work)
{
    private readonly List<double[][]> _batches = [];
    private readonly List<string> _prompts = [];

    /// <summary>Scores a batch of the rollout.</summary>
    /// <param name="latents">[B, c, T, h, w].</param>
    /// <param name="prompts">B prompts.</param>
    /// <param name="draw">Draws a uniform integer in [0, argument).</param>
    public void Add(Tensor latents, IReadOnlyList<string> prompts, Func<int, int> draw)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        var chain = new SegmentSampler(run.Model, run.Sampling, run.Model.CreateSampler(run.Sampling), adapters: null) { Prompts = prompts };
        Tensor shown = chain.FramesForReward([latents], run.Frames.Select(run.Sampling.RewardFrameCount(run.Model), draw));
        RunContext.Enter(RunStage.Scoring);
        string[] texts = [.. prompts.Select(prompt => run.Model.RewardText(prompt, run.Sampling.SegmentCount))];
        _batches.Add(
            [.. WindowedScoring.ScoreParts(run, shown, texts, ScoreUse.Training).Select(part => FiniteScores.Require(run.Reward, part, texts))]);
        _prompts.AddRange(texts);
        work.AddRewardQueries(prompts.Count * WindowedScoring.CountWindows(run));
    }

    /// <summary>Combines the scores; call once, when the rollout is complete.</summary>
    /// <returns>
    /// For each video its score and its worth (the negated loss of that score alone), and the difference of worths that rounding alone explains.
    /// </returns>
    public (double[] Scores, double[] Worth, double Rounding) Finish()
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        Tensor[] parts = [.. Enumerable.Range(0, run.Reward.PartCount).Select(part => tensor(_batches.SelectMany(batch => batch[part]).ToArray()))];
        double[] scores = FiniteScores.Require(run.Reward, run.Reward.Combine(parts, ScoreUse.Training), _prompts);
        double rounding = run.Loss.Scale * run.Reward.BoundRounding(parts);
        Tensor losses = stack([.. scores.Select(score => run.Loss.Compute(tensor(score)))]);
        return (scores, [.. HostRead.Numbers<double>(losses.to_type(ScalarType.Float64)).Select(static loss => -loss)], rounding);
    }
}
