using Microsoft.ML.VideoAlignment;
using Spectre.Console;

namespace Examples;

/// <summary>The live line: reward, gradient norm, seconds a step, time left. It also collects the curve for the plot.</summary>
/// <param name="steps">Optimizer steps.</param>
/// <param name="run">Where the curve is written, for when the run goes on later.</param>
internal sealed class TrainingView(int steps, InterruptedRun run) : IProgress<VideoAlignmentProgress>
{
    private readonly List<VideoAlignmentProgress> _curve = [.. run.Curve()];
    private ProgressTask? _task;

    /// <summary>The steps that were done.</summary>
    public IReadOnlyList<VideoAlignmentProgress> Curve => _curve;

    /// <summary>Shows a bar during training; plain lines where the output is not a terminal.</summary>
    /// <typeparam name="T">What training returns.</typeparam>
    /// <param name="work">Trains.</param>
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
        run.Record(value);
        string line = ProgressLines.Format(value);
        if (_task is null)
        {
            Console.WriteLine(line);
        }

        _task?.Description(line);
        _task?.Value(value.Step);
    }
}
