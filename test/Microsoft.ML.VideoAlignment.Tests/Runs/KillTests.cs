using System.Diagnostics;
using System.Globalization;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>
/// A process that trains is killed at random moments and started again until its run is done. The moments are drawn from a seed, as so many lines of its
/// output and a part of the time between two of them; wherever they fall, the weights are those of a run that was not killed.
/// </summary>
public class KillTests
{
    /// <summary>How often to kill; test/kill-and-resume.sh asks for more.</summary>
    private const string CountVariable = "VIDEO_ALIGNMENT_KILLS";

    private const int UsualCount = 20;

    /// <summary>Lines of output, about three steps' worth, within which a process is killed.</summary>
    private const int MostLines = 12;

    private static readonly string[] s_names =
    [
        "random-start kept", "ddpo kept", "dpo eight-bit", "low-variance accumulated", "ddpo accumulated", "dpo kept", "drtune eight-bit",
    ];

    [Test]
    public void KilledAtAnyMomentItGivesTheSameBytes()
    {
        int wanted = int.Parse(Environment.GetEnvironmentVariable(CountVariable) ?? $"{UsualCount}", CultureInfo.InvariantCulture);
        var random = new Random(1);
        int kills = 0;
        for (int run = 0; kills < wanted; run++)
        {
            using var folder = new TemporaryFolder();
            string name = s_names[run % s_names.Length], states = folder.Path("run"), result = folder.Path("result");
            byte[] expected = TrainingProgram.Train(name, folder: null, static _ => { });
            while (!File.Exists(result))
            {
                bool killed = kills < wanted && Killed(name, states, result, lines: random.Next(1, MostLines), part: random.NextDouble());
                bool counts = killed && !File.Exists(result) && Directory.Exists(states) && Directory.EnumerateFiles(states, "state-*.safetensors").Any();
                kills += counts ? 1 : 0;
                if (!killed && kills >= wanted)
                {
                    Run(name, states, result);
                }
            }

            Assert.That(File.ReadAllBytes(result), Is.EqualTo(expected), $"{name}, run {run}, after {kills} kills");
        }

        TestContext.Out.WriteLine($"{kills} kills of unfinished runs that had a state");
    }

    /// <summary>Starts the program and kills it after so many lines and a part of the time that the last of them took. False: it had ended before.</summary>
    private static bool Killed(string name, string states, string result, int lines, double part)
    {
        using Process process = Start(name, states, result);
        try
        {
            (long before, long last) = (0, Stopwatch.GetTimestamp());
            for (int line = 0; line < lines; line++)
            {
                if (process.StandardOutput.ReadLine() is null)
                {
                    RequireSuccess(process);
                    return false;
                }

                (before, last) = (last, Stopwatch.GetTimestamp());
            }

            long moment = last + (long)(part * (last - before));
            SpinWait.SpinUntil(() => Stopwatch.GetTimestamp() >= moment);
        }
        finally
        {
            process.Kill();
            process.WaitForExit();
        }

        return true;
    }

    private static void Run(string name, string states, string result)
    {
        using Process process = Start(name, states, result);
        while (process.StandardOutput.ReadLine() is not null)
        {
        }

        RequireSuccess(process);
    }

    private static void RequireSuccess(Process process)
    {
        string errors = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.That(process.ExitCode, Is.Zero, errors);
    }

    private static Process Start(string name, string states, string result)
    {
        var start = new ProcessStartInfo("dotnet", TrainingProgram.Arguments(name, states, result))
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };

        return Process.Start(start)!;
    }
}
