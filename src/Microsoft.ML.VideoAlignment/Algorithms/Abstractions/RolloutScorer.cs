using Microsoft.ML.VideoAlignment.Rewards;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Algorithms;

/// <summary>
/// Scores the finished latents of a rollout without gradient, for algorithms that learn from scores alone. A normalized sum is combined when the whole rollout
/// has been scored, so that all videos of a rollout are compared by one measure.
/// </summary>
/// <param name="model">The model, which decodes.</param>
/// <param name="reward">The reward, which need not be differentiable.</param>
/// <param name="sampling">How the latents were made.</param>
/// <param name="frames">Which frames the reward is shown.</param>
/// <param name="loss">The loss, which says which scores are better.</param>
/// <param name="work">Counts the videos that are scored.</param>
internal sealed class RolloutScorer(
    VideoDiffusionModel model, VideoReward reward, SamplingSettings sampling, RewardFrames frames, RewardLoss loss, WorkCount work)
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
        var chain = new SegmentSampler(model, sampling, model.CreateSampler(sampling), adapters: null) { Prompts = prompts };
        Tensor shown = chain.FramesForReward([latents], frames.Select(sampling.RewardFrameCount(model), draw));
        RunContext.Enter(RunStage.Scoring);
        string[] texts = [.. prompts.Select(prompt => model.RewardText(prompt, sampling.SegmentCount))];
        _batches.Add([.. reward.ScoreParts(new PreprocessedFrames(shown, ScoreUse.Training), texts).Select(part => FiniteScores.Require(reward, part, texts))]);
        _prompts.AddRange(texts);
        work.AddRewardQueries(prompts.Count);
    }

    /// <summary>Combines the scores; call once, when the rollout is complete.</summary>
    /// <returns>
    /// For each video its score and its worth (the negated loss of that score alone), and the difference of worths that rounding alone explains.
    /// </returns>
    public (double[] Scores, double[] Worth, double Rounding) Finish()
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        Tensor[] parts = [.. Enumerable.Range(0, reward.PartCount).Select(part => tensor(_batches.SelectMany(batch => batch[part]).ToArray()))];
        double[] scores = FiniteScores.Require(reward, reward.Combine(parts, ScoreUse.Training), _prompts);
        double rounding = loss.Scale * reward.BoundRounding(parts);
        return (scores, [.. scores.Select(score => -loss.Compute(tensor(score)).AsDouble())], rounding);
    }
}
