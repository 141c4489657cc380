using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Pipelines;
using Microsoft.ML.VideoAlignment.Rewards;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Training;

/// <summary>
/// The mean reward on prompts that are never trained on, shown the frames that training shows. Noise and drawn frames are a function of the run's seed and the
/// row's place in the list: two measurements differ by the weights alone, and batches of another size give the same number.
/// </summary>
/// <param name="model">Generates.</param>
/// <param name="reward">Scores.</param>
/// <param name="settings">Whose held-out prompts are measured.</param>
/// <param name="conditions">What was encoded before.</param>
/// <param name="work">Counts the queries.</param>
internal sealed class ValidationEvaluator(VideoDiffusionModel model, VideoReward reward, TrainingSettings settings, ConditionCache conditions, WorkCount work)
{
    /// <summary>Whether this step is one that measures.</summary>
    public bool ShouldRun(int step) => settings.HeldOutPrompts.Count > 0 && (step % settings.HeldOutEvery == 0 || step == settings.Steps);

    /// <summary>In the reward's own units.</summary>
    /// <exception cref="OperationCanceledException">Canceled; nothing was measured.</exception>
    /// <exception cref="NotFiniteNumberException">A video or a score is not finite.</exception>
    public double Run(LoraAdapters adapters, CancellationToken cancellation)
    {
        double total = 0;
        IReadOnlyList<int>[] shown = Describe();
        foreach (int[] rows in Batches())
        {
            total += Score(rows, shown, adapters, cancellation).Sum();
            work.Measured(rows.Length);
        }

        return total / settings.HeldOutPrompts.Count;
    }

    /// <summary>
    /// Rows that are generated together. How much noise a batch draws for given images depends on all of its rows, so a row that has some is alone.
    /// </summary>
    private IEnumerable<int[]> Batches()
    {
        int[] all = [.. Enumerable.Range(0, settings.HeldOutPrompts.Count)];
        bool WithoutTrainingState(int row) => model.Images == ImageUse.Optional && settings.HeldOutPrompts[row].Images.Count > 0;
        return [.. all.Where(row => !WithoutTrainingState(row)).Chunk(settings.BatchSize), .. all.Where(WithoutTrainingState).Chunk(1)];
    }

    private double[] Score(int[] rows, IReadOnlyList<int>[] shown, LoraAdapters adapters, CancellationToken cancellation)
    {
        using DisposeScope scope = NewDisposeScope();
        VideoPrompt[] prompts = [.. rows.Select(row => settings.HeldOutPrompts[row])];
        ulong[] seeds = [.. rows.Select(row => settings.Seed + (ulong)row + 1)];
        var generator = new VideoGenerator(model, settings.Sampling, conditions);
        Tensor videos = generator.GenerateForReward(prompts, seeds, [.. rows.Select(row => shown[row])], adapters, cancellation);
        using IDisposable guard = no_grad();
        string[] texts = [.. prompts.Select(prompt => model.RewardText(prompt.Text, settings.Sampling.SegmentCount))];
        RunContext.Enter(RunStage.Scoring);
        return FiniteScores.Require(reward, reward.Score(videos, texts, ScoreUse.Validation), texts);
    }

    /// <summary>The frames of each row, drawn in the order of the list.</summary>
    private IReadOnlyList<int>[] Describe()
    {
        var draws = new System.Random(unchecked((int)(settings.Seed ^ (settings.Seed >> 32))));
        int count = settings.Sampling.RewardFrameCount(model);
        return [.. settings.HeldOutPrompts.Select(_ => settings.Frames.Select(count, draws.Next))];
    }
}
