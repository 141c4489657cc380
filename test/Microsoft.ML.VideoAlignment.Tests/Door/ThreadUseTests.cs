using Microsoft.ML.VideoAlignment.MLNet;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>When the log says that threads do not get their processors: measured on an injected clock.</summary>
public class ThreadUseTests
{
    private TimeSpan _wall;
    private TimeSpan _used;

    private ThreadUse Make(int threads, int processors, params (string Name, string Value)[] variables) => new(
        threads, processors, name => variables.FirstOrDefault(variable => variable.Name == name).Value, () => _wall, () => _used);

    /// <summary>Steps of so many seconds on the clock, in which so many processors were busy.</summary>
    private List<string> Steps(ThreadUse use, int steps, double seconds, double busy)
    {
        var said = new List<string>();
        for (int step = 0; step < steps; step++)
        {
            (_wall, _used) = (_wall + TimeSpan.FromSeconds(seconds), _used + TimeSpan.FromSeconds(seconds * busy));
            if (use.AfterStep() is { } advice)
            {
                said.Add(advice);
            }
        }

        return said;
    }

    [Test]
    public void ANeighborOnOneOfTwoProcessorsIsSaidOnce()
    {
        Assert.That(Steps(Make(2, 2), steps: 20, seconds: 4.5, busy: 1.33), Is.EqualTo(new[]
        {
            "The last 3 steps took 4.5 s each, in which libtorch's 2 threads had 1.3 processors: they wait for each other, and spin while they wait. "
                + "Start the program with OMP_NUM_THREADS=1 and OMP_WAIT_POLICY=PASSIVE in its environment, or call torch.set_num_threads(1).",
        }));
    }

    [Test]
    public void AQuotaUnderTheNumberOfThreadsIsSaid() =>
        Assert.That(Steps(Make(8, 8), steps: 5, seconds: 1, busy: 2), Has.One.Contains("8 threads had 2.0 processors").And.One.Contains("OMP_NUM_THREADS=2 "));

    [Test]
    public void ThreadsThatHaveTheirProcessorsAreNotSpokenOf() => Assert.That(Steps(Make(2, 2), steps: 20, seconds: 5, busy: 1.5), Is.Empty);

    /// <summary>A neighbor who comes late is noticed: what is measured are windows, not the mean since the start.</summary>
    [Test]
    public void ANeighborWhoComesLateIsNoticed()
    {
        ThreadUse use = Make(2, 2);
        Assert.That(Steps(use, steps: 1000, seconds: 1, busy: 2), Is.Empty);
        Assert.That(Steps(use, steps: 6, seconds: 1, busy: 1.2), Has.Count.EqualTo(1));
    }

    [TestCase(1, 20, 1.0, 0.5, TestName = "OneThreadWaitsForNoOther")]
    [TestCase(2, 3, 5.0, 1.0, TestName = "TheFirstStepAndTwoMoreAreTooFew")]
    [TestCase(2, 20, 0.09, 1.0, TestName = "LessThanTwoSecondsAreTooShort")]
    public void NothingIsSaidOf(int threads, int steps, double seconds, double busy) => Assert.That(Steps(Make(threads, 2), steps, seconds, busy), Is.Empty);

    [TestCase("OMP_WAIT_POLICY", "passive")]
    [TestCase("GOMP_SPINCOUNT", "0")]
    [TestCase("KMP_BLOCKTIME", "0")]
    public void ThreadsThatSleepUseLessForGoodReasons(string name, string value) =>
        Assert.That(Steps(Make(2, 2, (name, value)), steps: 20, seconds: 5, busy: 0.9), Is.Empty);

    [Test]
    public void MoreThreadsThanProcessorsAreSaidAtOnce()
    {
        Assert.That(Make(8, 2).Excess(),
            Does.StartWith("libtorch has 8 threads, and this process may use 2 processors: Start the program with OMP_NUM_THREADS=2 "));
        Assert.That(Make(2, 2).Excess(), Is.Null);
        Assert.That(Make(1, 1).Describe(), Is.EqualTo("1 thread"));
    }
}
