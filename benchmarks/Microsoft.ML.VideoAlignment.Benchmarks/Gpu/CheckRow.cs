using System.Text.Json;
using System.Text.Json.Serialization;

namespace Microsoft.ML.VideoAlignment.Benchmarks;

/// <summary>How one comparison of the check on a device ended.</summary>
internal enum CheckVerdict
{
    /// <summary>What was expected came.</summary>
    Passed,

    /// <summary>Something else came.</summary>
    Failed,

    /// <summary>It was not run; the note says why.</summary>
    Skipped,
}

/// <summary>
/// One comparison of the check on a device. A phase prints each as a line when it is done, so that nothing is lost where the phase's process ends.
/// </summary>
/// <param name="Name">What was compared.</param>
/// <param name="Verdict">How it ended.</param>
/// <param name="Note">What was found, or why it was not run; empty: nothing to say.</param>
/// <param name="Figures">Measurements by name; null: none.</param>
internal sealed record CheckRow(string Name, CheckVerdict Verdict, string Note = "", IReadOnlyDictionary<string, double>? Figures = null)
{
    /// <summary>The exit code of a phase whose device answers no more, though cases are left that another process could run.</summary>
    public const int DeviceLost = 75;

    private const string Mark = "@row ";

    private static readonly JsonSerializerOptions s_json = new()
    {
        Converters = { new JsonStringEnumConverter() },
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

    /// <summary>Reads a line of a phase.</summary>
    /// <param name="line">The line.</param>
    /// <returns>The comparison; null: the line is something else that was printed.</returns>
    public static CheckRow? Read(string line)
    {
        try
        {
            return line.StartsWith(Mark, StringComparison.Ordinal) ? JsonSerializer.Deserialize<CheckRow>(line.AsSpan(Mark.Length), s_json) : null;
        }
        catch (JsonException)
        {
            return null; // cut off, where the process ended within the line
        }
    }

    /// <summary>Writes the comparison as one line.</summary>
    /// <param name="writer">Where to.</param>
    public void Write(TextWriter writer)
    {
        writer.WriteLine(Mark + JsonSerializer.Serialize(this, s_json));
        writer.Flush();
    }

    /// <summary>Tells whether an exception is of a device that fails every later call of its process.</summary>
    /// <param name="exception">The exception; null: there is none.</param>
    public static bool LosesDevice(Exception? exception)
    {
        for (; exception is not null; exception = exception.InnerException)
        {
            if (exception.Message.Contains("CUDA error", StringComparison.OrdinalIgnoreCase)
                || exception.Message.Contains("device-side assert", StringComparison.OrdinalIgnoreCase))
            {
                return true;
            }
        }

        return false;
    }
}
