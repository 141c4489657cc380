using Microsoft.ML.VideoAlignment;
using ScottPlot;

namespace Examples;

/// <summary>reward.png: the reward of the training videos by step, and of unseen prompts where it was measured.</summary>
internal static class RewardPlot
{
    /// <summary>Draws the curve.</summary>
    /// <param name="path">The file to write.</param>
    /// <param name="curve">The steps of the run.</param>
    /// <param name="ends">The mean over all unseen prompts before and after.</param>
    public static void Write(string path, IReadOnlyList<VideoAlignmentProgress> curve, (int Step, double Reward)[] ends)
    {
        using var plot = new Plot();
        double[] steps = [.. curve.Select(step => (double)step.Step)];
        double[] rewards = [.. curve.Select(step => step.Reward)];
        plot.Add.Scatter(steps, rewards, Colors.SteelBlue.WithAlpha(0.4)).LegendText = "training videos";
        ScottPlot.Plottables.Scatter smooth = plot.Add.ScatterLine(steps, Smooth(rewards), Colors.SteelBlue);
        (smooth.LineWidth, smooth.LegendText) = (3, "training videos, mean of 7 steps");
        VideoAlignmentProgress[] measured = [.. curve.Where(step => step.ValidationReward is not null)];
        Add(measured.Select(step => (step.Step, step.ValidationReward!.Value)), Colors.Orange, "a few unseen prompts, along the way");
        Add(ends, Colors.Crimson, "all unseen prompts, before and after");
        plot.XLabel("optimizer step");
        plot.YLabel("reward");
        plot.ShowLegend(Alignment.LowerRight);
        plot.SavePng(path, 900, 540);

        void Add(IEnumerable<(int Step, double Reward)> points, Color color, string name)
        {
            double[] at = [.. points.Select(point => (double)point.Step)], values = [.. points.Select(point => point.Reward)];
            ScottPlot.Plottables.Scatter line = plot.Add.Scatter(at, values, color);
            (line.LineWidth, line.MarkerSize, line.LegendText) = (2, 9, name);
        }
    }

    private static double[] Smooth(double[] values) =>
        [.. values.Select((_, at) => values[Math.Max(0, at - 3)..Math.Min(values.Length, at + 4)].Average())];
}
