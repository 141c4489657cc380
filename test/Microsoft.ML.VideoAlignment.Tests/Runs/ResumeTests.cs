using Microsoft.ML.VideoAlignment.Runs;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>A run that is interrupted and goes on gives the bytes of the run that was never interrupted, wherever that happens.</summary>
public class ResumeTests
{
    /// <summary>Sittings that are interrupted within a step, with a few calls of the reward more and fewer each; together they go through the run.</summary>
    private const int Interruptions = 8;

    private static IEnumerable<string> Cases => RunCase.All.Select(run => run.Name);

    private static IEnumerable<string> Kept => Cases.Where(name => name.EndsWith("kept", StringComparison.Ordinal));

    /// <summary>One step a sitting, so that every boundary is gone over once.</summary>
    [TestCaseSource(nameof(Cases))]
    public void CanceledAfterEveryStepItGivesTheSameBytes(string name)
    {
        var run = RunCase.Named(name);
        using var folder = new TemporaryFolder();
        var straight = new List<VideoAlignmentProgress>();
        byte[] expected = run.Fit(folder: null, control: RunCase.EachStep with { Progress = new Reported(straight.Add) });
        var resumed = new List<VideoAlignmentProgress>();
        byte[] last = [];
        for (int sitting = 0; sitting < RunCase.Steps; sitting++)
        {
            using var stop = new CancellationTokenSource();
            void Report(VideoAlignmentProgress step)
            {
                resumed.Add(step);
                stop.Cancel();
            }

            last = run.Fit(folder.ToString(), control: RunCase.EachStep with { Progress = new Reported(Report), CancellationToken = stop.Token });
        }

        Assert.That(last, Is.EqualTo(expected));
        Assert.That(resumed.Select(Numbers), Is.EqualTo(straight.Select(Numbers)), "every step once, with its numbers and counts");
        Assert.That(resumed.Select(step => step.Elapsed), Is.Ordered.And.Unique, "time goes on, too");
    }

    /// <summary>The token is canceled by the reward in the middle of a step or a measurement, of which nothing may be left.</summary>
    [TestCaseSource(nameof(Cases))]
    public void CanceledWithinAStepItGivesTheSameBytes(string name)
    {
        var run = RunCase.Named(name);
        using var folder = new TemporaryFolder();
        byte[] expected = run.Fit(folder: null);
        for (int sitting = 0; sitting < Interruptions; sitting++)
        {
            using var stop = new CancellationTokenSource();
            run.Fit(folder.ToString(), new InterruptedReward(Let(sitting), stop.Cancel), control: RunCase.EachStep with { CancellationToken = stop.Token });
        }

        Assert.That(run.Fit(folder.ToString()), Is.EqualTo(expected));
    }

    /// <summary>The same by a reward that throws.</summary>
    [TestCaseSource(nameof(Kept))]
    public void FailedWithinAStepItGivesTheSameBytes(string name)
    {
        var run = RunCase.Named(name);
        using var folder = new TemporaryFolder();
        byte[] expected = run.Fit(folder: null);
        for (int sitting = 0; sitting < Interruptions; sitting++)
        {
            try
            {
                run.Fit(folder.ToString(), new InterruptedReward(Let(sitting), () => throw new TimeoutException()));
            }
            catch (TrainingStepException error)
            {
                File.Delete(error.LastGoodWeights!);
            }
        }

        Assert.That(run.Fit(folder.ToString()), Is.EqualTo(expected));
    }

    /// <summary>What a killed process leaves: a folder that is written now and then. The steps since then are repeated.</summary>
    [TestCaseSource(nameof(Cases))]
    public void KilledAfterAnyStepItGivesTheSameBytes(string name)
    {
        var run = RunCase.Named(name);
        using var folder = new TemporaryFolder();
        var every = new RunControl { StateEvery = 4 };
        byte[] expected = run.Fit(folder.Path("straight"), control: every with { Progress = new Reported(step => Copy(step.Step)) });
        Assert.That(expected, Is.EqualTo(run.Fit(folder: null)), "writing states changes nothing");
        for (int step = 1; step <= RunCase.Steps; step++)
        {
            Assert.That(run.Fit(folder.Path($"killed-{step}"), control: every), Is.EqualTo(expected), $"killed after step {step}");
        }

        void Copy(int step)
        {
            string killed = Directory.CreateDirectory(folder.Path($"killed-{step}")).FullName;
            foreach (string file in Directory.EnumerateFiles(folder.Path("straight")).Where(file => Path.GetFileName(file) != RunLock.FileName))
            {
                File.Copy(file, Path.Combine(killed, Path.GetFileName(file)));
            }
        }
    }

    /// <summary>Calls of the reward before an interruption: 0 to 10, in an order in which the run still gets on.</summary>
    private static int Let(int sitting) => (3 + (sitting * 4)) % 11;

    private static (int Step, double Reward, double Loss, double Norm, double? HeldOut, long Queries, long Measured, long Evaluations) Numbers(
        VideoAlignmentProgress step) =>
        (step.Step, step.Reward, step.Loss, step.GradientNorm, step.ValidationReward, step.RewardQueries, step.ValidationQueries, step.DenoiserEvaluations);
}
