using Microsoft.ML;

namespace Examples;

/// <summary>What every example that aligns a model takes from its command line.</summary>
/// <param name="Steps">Optimizer steps.</param>
/// <param name="Videos">Unseen prompts to compare on.</param>
/// <param name="Seed">The seed of everything random.</param>
/// <param name="Out">The folder of the results.</param>
/// <param name="Resume">Whether a run that was interrupted goes on.</param>
internal sealed record RunSettings(int Steps, int Videos, int Seed, string Out, bool Resume)
{
    /// <summary>Reads the settings from the command line.</summary>
    /// <param name="line">The command line.</param>
    /// <param name="name">The folder below out/ where none is given.</param>
    /// <param name="steps">Optimizer steps where none are given.</param>
    public static RunSettings Read(CommandLine line, string name, int steps = 40) => new(
        line.Number("--steps", steps, minimum: 1), line.Number("--videos", 32, minimum: 2), line.Number("--seed", 1, minimum: 0),
        line.Text("--out") ?? Path.Combine("out", name), line.Flag("--resume"));

    /// <summary>Opens the folder of the results; to be called when every option has been read.</summary>
    /// <param name="line">The command line.</param>
    /// <exception cref="UsageException">The folder cannot be used, or an interrupted run is in the way.</exception>
    public ResultFolder Open(CommandLine line)
    {
        var interrupted = InterruptedRun.Open(line, Out, Resume);
        var folder = new ResultFolder(Out, interrupted);
        if (Resume && !interrupted.GoesOn)
        {
            Console.WriteLine($"--resume: there is no interrupted run in {interrupted.Folder}; it begins with step 1.");
        }

        return folder;
    }

    /// <summary>Makes the lines of the help for these options.</summary>
    /// <param name="name">The folder below out/ where none is given.</param>
    /// <param name="steps">Optimizer steps where none are given.</param>
    public static string Help(string name, int steps = 40) => $"""
          --steps N          optimizer steps (default {steps})
          --videos N         unseen prompts to compare on, at least 2 (default 32)
          --seed N           seed of everything random (default 1)
          --out FOLDER       where the results go (default out/{name}); a former result there is replaced
          --resume           goes on with the run of this --out that was interrupted, by Ctrl+C or otherwise
          --help             this text
        """;

    /// <summary>Makes a context with the seed, on CUDA where there is a GPU.</summary>
    public MLContext NewContext() => new(Seed) { GpuDeviceId = 0, FallbackToCpu = true };
}
