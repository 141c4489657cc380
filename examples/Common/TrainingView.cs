using System.Globalization;
using Microsoft.ML.VideoAlignment;
using Spectre.Console;

namespace Examples;

/// <summary>The live line: reward, gradient norm, seconds a step, time left. Keeps the curve for the picture.</summary>
/// <param name="steps">Optimizer steps.</param>
/// <param name="run">Where the curve is kept for when the run goes on later; null: nowhere.</param>
internal sealed class TrainingView(int steps, InterruptedRun? run = null) : IProgress<VideoAlignmentProgress>
{
    private readonly List<VideoAlignmentProgress> _curve = [.. run?.Curve() ?? []];
    private ProgressTask? _task;

    public IReadOnlyList<VideoAlignmentProgress> Curve => _curve;

    /// <summary>Shows the bar while <paramref name="work"/> trains; plain lines where the output is not a terminal.</summary>
    public T Run<T>(Func<T> work) => !AnsiConsole.Profile.Capabilities.Interactive ? work() : AnsiConsole.Progress().AutoRefresh(true)
        .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn { Width = 24 }, new PercentageColumn())
        .Start(context =>
        {
            _task = context.AddTask("waiting for the first step", maxValue: steps);
            return work();
        });

    // Not System.Progress: that one hands reports to the thread pool, out of order.
    public void Report(VideoAlignmentProgress value)
    {
        InterruptedRun.Append(_curve, value);
        run?.Keep(value);
        string line = string.Create(
            CultureInfo.InvariantCulture,
            $"step {value.Step}/{value.Steps}  reward {value.Reward:0.000}  gradient {value.GradientNorm:0.000}  {value.Elapsed.TotalSeconds / value.Step:0.0} s/step  {value.Remaining:m\\:ss} left");
        if (_task is null)
        {
            Console.WriteLine(line);
        }

        _task?.Description(line);
        _task?.Value(value.Step);
    }
}
