using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Rewards;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Algorithms;

/// <summary>
/// Measures the mean reward on prompts that are never trained on, shown the frames that training shows. Noise and drawn frames are a function of the run's seed
/// and the row's place in the list: two measurements differ by the weights alone, and batches of another size give the same number.
/// </summary>
/// <param name="run">The run, with the validation prompts.</param>
/// <param name="conditions">The encoded prompts.</param>
/// <param name="work">Counts what a measurement costs.</param>
internal sealed class ValidationEvaluator(TrainingRun run, ConditionCache conditions, WorkCount work)
{
    /// <summary>Tells whether a step is one that measures.</summary>
    /// <param name="step">The optimizer step, counted from 1.</param>
    public bool ShouldRun(int step) => run.ValidationPrompts.Count > 0 && (step % run.Validation.Every == 0 || step == run.Optimizer.Steps);

    /// <summary>Generates and scores the validation videos.</summary>
    /// <param name="adapters">The adapters, which are merged for generation.</param>
    /// <returns>The mean score, in the reward's own units.</returns>
    /// <exception cref="OperationCanceledException">The measurement was canceled.</exception>
    /// <exception cref="NotFiniteNumberException">A video or a score is not finite.</exception>
    public double Run(LoraAdapters adapters)
    {
        double total = 0;
        IReadOnlyList<int>[] shown = ShownFrames();
        foreach (int[] rows in Batches())
        {
            total += Score(rows, shown, adapters).Sum();
            work.AddValidationQueries(rows.Length * WindowedScoring.CountWindows(run));
        }

        return total / run.ValidationPrompts.Count;
    }

    // Rows that are generated together. How much noise a batch draws for given images depends on all of its rows, so a row with images is a batch of its own.
    private IEnumerable<int[]> Batches()
    {
        int[] all = [.. Enumerable.Range(0, run.ValidationPrompts.Count)];
        bool HasImages(int row) => run.Model.Images == ImageUse.Optional && run.ValidationPrompts[row].Images.Count > 0;
        return [.. all.Where(row => !HasImages(row)).Chunk(run.Optimizer.BatchSize), .. all.Where(HasImages).Chunk(1)];
    }

    private double[] Score(int[] rows, IReadOnlyList<int>[] shown, LoraAdapters adapters)
    {
        using DisposeScope scope = NewDisposeScope();
        VideoPrompt[] prompts = [.. rows.Select(row => run.ValidationPrompts[row])];
        ulong[] seeds = [.. rows.Select(row => run.Seed + (ulong)row + 1)];
        var generator = new VideoGenerator(run.Model, run.Sampling, conditions);
        Tensor videos = generator.GenerateForReward(prompts, seeds, [.. rows.Select(row => shown[row])], adapters);
        using IDisposable guard = no_grad();
        string[] texts = [.. prompts.Select(prompt => run.Model.RewardText(prompt.Text, run.Sampling.SegmentCount))];
        RunContext.Enter(RunStage.Scoring);
        return FiniteScores.Require(run.Reward, WindowedScoring.Score(run, videos, texts, ScoreUse.Validation), texts);
    }

    // The frames of each row, drawn in the order of the list.
    private IReadOnlyList<int>[] ShownFrames()
    {
        var draws = new System.Random(unchecked((int)(run.Seed ^ (run.Seed >> 32))));
        int count = run.Sampling.RewardFrameCount(run.Model);
        return [.. run.ValidationPrompts.Select(_ => run.Frames.Select(count, draws.Next))];
    }
}
