using Microsoft.ML.VideoAlignment.Rewards;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Algorithms;

/// <summary>
/// Scores videos as a run shows them to its reward: whole, or window by window (<see cref="RewardFrames.Windows"/>), where the score of a video is the mean of
/// its windows' scores.
/// </summary>
internal static class WindowedScoring
{
    /// <summary>Counts the windows of a video.</summary>
    /// <param name="run">The run.</param>
    /// <returns>1 where videos are scored whole.</returns>
    public static int CountWindows(TrainingRun run) => FindWindows(run)?.Count ?? 1;

    /// <summary>Scores videos.</summary>
    /// <param name="run">The run: reward and choice of frames.</param>
    /// <param name="frames">The frames that the run shows, [B, 3, f, H, W], RGB in [0, 1].</param>
    /// <param name="prompts">B prompts.</param>
    /// <param name="use">What the scores are for.</param>
    /// <returns>[B]; the caller owns it.</returns>
    public static Tensor Score(TrainingRun run, Tensor frames, IReadOnlyList<string> prompts, ScoreUse use) =>
        Average(run, frames, prompts, (shown, texts) => [run.Reward.Score(shown, texts, use)])[0];

    /// <summary>Scores every reward that a sum is made of.</summary>
    /// <param name="run">The run: reward and choice of frames.</param>
    /// <param name="frames">The frames that the run shows, [B, 3, f, H, W], RGB in [0, 1].</param>
    /// <param name="prompts">B prompts.</param>
    /// <param name="use">What the scores are for.</param>
    /// <returns>[B] of each plain reward.</returns>
    public static IReadOnlyList<Tensor> ScoreParts(TrainingRun run, Tensor frames, IReadOnlyList<string> prompts, ScoreUse use) =>
        Average(run, frames, prompts, (shown, texts) => run.Reward.ScoreParts(new PreprocessedFrames(shown, use), texts));

    private static IReadOnlyList<Tensor> Average(
        TrainingRun run, Tensor frames, IReadOnlyList<string> prompts, Func<Tensor, IReadOnlyList<string>, IReadOnlyList<Tensor>> score)
    {
        if (FindWindows(run) is not { } windows)
        {
            return score(frames, prompts);
        }

        using DisposeScope scope = NewDisposeScope();
        string[] texts = [.. prompts.SelectMany(prompt => Enumerable.Repeat(prompt, windows.Count))];
        return [.. score(Cut(frames, windows), texts).Select(part => part.view(frames.shape[0], windows.Count).mean([1]).MoveToOuterDisposeScope())];
    }

    // [B, 3, f, H, W] -> [B * windows, 3, length, H, W], video by video.
    private static Tensor Cut(Tensor frames, IReadOnlyList<int[]> windows)
    {
        long[] places = [.. windows.SelectMany(window => window).Select(place => (long)place)];
        Tensor all = Ops.IndexSelect(frames, 2, DeviceTable.Create(places, frames.device));
        return all.unflatten(2, [windows.Count, windows[0].Length]).transpose(1, 2).flatten(0, 1);
    }

    private static IReadOnlyList<int[]>? FindWindows(TrainingRun run) => run.Frames.FindWindows(run.Sampling.RewardFrameCount(run.Model));
}
