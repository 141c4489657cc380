using System.Text;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>
/// These tests as a program: one that trains a <see cref="RunCase"/> in a folder, so that a test can kill it, or a <see cref="ConformanceProgram"/>.
/// </summary>
internal static class TrainingProgram
{
    /// <summary>Optimizer steps of a run that is to be killed a few times.</summary>
    public const int Steps = 12;

    private const string Verb = "train";

    /// <summary>The command line that trains.</summary>
    public static string[] Arguments(string name, string folder, string result) => [typeof(TrainingProgram).Assembly.Location, Verb, name, folder, result];

    /// <summary>The run that the program trains; <paramref name="tell"/> gets a line at each call of the reward and after each step.</summary>
    public static byte[] Train(string name, string? folder, Action<string> tell)
    {
        using VideoReward reward = VideoRewards.Custom("brightness", (frames, _) =>
        {
            tell("score");
            return frames.mean([1, 2, 3, 4]);
        });
        return RunCase.Named(name).Fit(folder, reward, options => options with { Optimizer = options.Optimizer with { Steps = Steps } },
            control: RunCase.EachStep with { Progress = new Reported(step => tell($"step {step.Step}")) });
    }

    public static int Main(string[] arguments)
    {
        if (arguments is [ConformanceProgram.Verb, ..])
        {
            return ConformanceProgram.Run(arguments[1..]);
        }

        if (arguments is not [Verb, var name, var folder, var result])
        {
            return 2;
        }

        using Stream output = Console.OpenStandardOutput();
        byte[] adapters = Train(name, folder, line => output.Write(Encoding.UTF8.GetBytes(line + "\n")));
        AtomicFile.Write(result, stream => stream.Write(adapters));
        return 0;
    }
}
