using Microsoft.ML.VideoAlignment.Pipelines;
using Microsoft.ML.VideoAlignment.Rewards;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Training;

/// <summary>
/// Scores the finished latents of a rollout, for algorithms that learn from the numbers alone: nothing is recorded, so the reward need not be differentiable. A
/// normalized sum is put together when the whole rollout has been scored, so that one rollout's videos are compared by one measure.
/// </summary>
/// <param name="model">Decodes.</param>
/// <param name="reward">Scores.</param>
/// <param name="sampling">How the latents were made.</param>
/// <param name="frames">What the reward is shown.</param>
/// <param name="loss">Says which way a score is better.</param>
/// <param name="work">Counts the queries.</param>
internal sealed class RolloutScorer(VideoDiffusionModel model, VideoReward reward, SamplingSettings sampling, RewardFrames frames, RewardLoss loss, WorkCount work)
{
    private readonly List<double[][]> _batches = [];
    private readonly List<string> _prompts = [];

    /// <summary>Scores a batch of the rollout.</summary>
    /// <param name="latents">[B, c, T, h, w].</param>
    /// <param name="prompts">B prompts.</param>
    /// <param name="draw">Uniform integer below its argument.</param>
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
        work.Scored(prompts.Count);
    }

    /// <summary>
    /// The rollout's scores, how much each is worth (the loss of that score alone, negated), and by how much worths may differ by rounding
    /// alone. To be called once, when the rollout is whole.
    /// </summary>
    public (double[] Scores, double[] Worth, double Rounding) Finish()
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        Tensor[] parts = [.. Enumerable.Range(0, reward.PartCount).Select(part => tensor(_batches.SelectMany(batch => batch[part]).ToArray()))];
        double[] scores = FiniteScores.Require(reward, reward.Combine(parts, ScoreUse.Training), _prompts);
        double rounding = loss.Scale * reward.RoundingOf(parts);
        return (scores, [.. scores.Select(score => -loss.Compute(tensor(score)).AsDouble())], rounding);
    }
}
