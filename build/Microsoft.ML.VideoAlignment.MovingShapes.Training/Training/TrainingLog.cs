using System.Diagnostics;

namespace Microsoft.ML.VideoAlignment.MovingShapes.Training;

/// <summary>Lines with the time since the program began, on the screen and at the end of a file.</summary>
internal sealed class TrainingLog(string path)
{
    private readonly Stopwatch _clock = Stopwatch.StartNew();

    public void Write(string line)
    {
        string whole = $"[{_clock.Elapsed:hh\\:mm\\:ss}] {line}";
        Console.WriteLine(whole);
        File.AppendAllText(path, whole + "\n");
    }
}
