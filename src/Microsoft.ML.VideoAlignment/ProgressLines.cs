namespace Microsoft.ML.VideoAlignment;

/// <summary>Writes a line for each step of an alignment, for example to <c>Console.Out</c>: for <see cref="RunControl.Progress"/>.</summary>
/// <param name="writer">The writer, which the caller disposes. Each line is flushed.</param>
public sealed class ProgressLines(TextWriter writer) : IProgress<VideoAlignmentProgress>
{
    private readonly TextWriter _writer = writer ?? throw new ArgumentNullException(nameof(writer));

    /// <summary>
    /// Formats a step as a line: number, reward, gradient norm, seconds a step, time left, the validation reward where it was measured, and whether it was
    /// skipped.
    /// </summary>
    /// <param name="value">The step.</param>
    /// <returns>One line without its end, the same in every culture.</returns>
    public static string Format(VideoAlignmentProgress value)
    {
        ArgumentNullException.ThrowIfNull(value);
        string left = value.Remaining.TotalHours >= 1 ? $"{(long)value.Remaining.TotalHours}:{value.Remaining:mm\\:ss}" : $"{value.Remaining:m\\:ss}";
        return $"step {value.Step}/{value.Steps}  reward {value.Reward:0.000}  gradient {value.GradientNorm:0.000}  "
            + $"{value.Elapsed.TotalSeconds / value.Step:0.0} s/step  {left} left"
            + (value.ValidationReward is { } validation ? $"  validation reward {validation:0.000}" : "")
            + (value.Skipped ? "  skipped" : "");
    }

    /// <summary>Writes the line of a step.</summary>
    /// <param name="value">The step.</param>
    public void Report(VideoAlignmentProgress value)
    {
        _writer.WriteLine(Format(value));
        _writer.Flush();
    }
}
