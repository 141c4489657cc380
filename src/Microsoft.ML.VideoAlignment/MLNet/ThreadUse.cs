using System.Diagnostics;

namespace Microsoft.ML.VideoAlignment.MLNet;

/// <summary>
/// Finds out whether libtorch's threads get the processors they need. They meet at a barrier after each operation, and by default spin there: where another
/// process or a quota takes a processor away, all of them wait for the thread that has none, and a step takes many times as long.
/// </summary>
/// <remarks>
/// The rule: over at least <see cref="LeastSteps"/> steps after the first (which compiles) and <see cref="LeastTime"/>, the processor time of the process is
/// less than <see cref="LeastShare"/> of what its threads could have used, wall time x threads, although there is more than one and they spin. Another
/// process on one of two processors leaves two threads two thirds; eight threads under a quota of two get a quarter. Threads that sleep while they wait use
/// less for good reasons, so there is no advice about them.
/// </remarks>
/// <param name="threads">Threads of libtorch.</param>
/// <param name="processors">Processors that the process may use, by affinity and quota.</param>
/// <param name="variable">Gives the value of an environment variable, or null.</param>
/// <param name="wall">Gives the time on the clock.</param>
/// <param name="processorTime">Gives the processor time of the process, over all of its threads.</param>
internal sealed class ThreadUse(int threads, int processors, Func<string, string?> variable, Func<TimeSpan> wall, Func<TimeSpan> processorTime)
{
    /// <summary>The fewest steps of a measurement.</summary>
    public const int LeastSteps = 3;

    /// <summary>The share of wall time x threads below which there is advice.</summary>
    public const double LeastShare = 0.7;

    /// <summary>The shortest time of a measurement.</summary>
    public static readonly TimeSpan LeastTime = TimeSpan.FromSeconds(2);

    private int _steps = -1;
    private TimeSpan _wall;
    private TimeSpan _used;
    private bool _reported;

    /// <summary>Begins to observe this process.</summary>
    public static ThreadUse StartMeasuring()
    {
        var clock = Stopwatch.StartNew();
        return new ThreadUse(
            get_num_threads(), Environment.ProcessorCount, Environment.GetEnvironmentVariable, () => clock.Elapsed, () => Environment.CpuUsage.TotalTime);
    }

    /// <summary>Gives the number of threads in words, for the log.</summary>
    public string Describe() => $"{threads} {(threads == 1 ? "thread" : "threads")}";

    /// <summary>Finds what is wrong before anything is measured: more threads than processors.</summary>
    /// <returns>A warning with advice; null: there are enough processors.</returns>
    public string? Excess() => threads <= processors ? null
        : $"libtorch has {threads} threads, and this process may use {processors} {(processors == 1 ? "processor" : "processors")}: {Remedy(processors)}";

    /// <summary>Measures; call after each step.</summary>
    /// <returns>Advice, once, where the threads do not get their processors; null otherwise.</returns>
    public string? AfterStep()
    {
        (TimeSpan now, TimeSpan used) = (wall(), processorTime());
        if (_steps < 0)
        {
            (_steps, _wall, _used) = (0, now, used);
            return null;
        }

        _steps++;
        TimeSpan took = now - _wall;
        if (_reported || threads < 2 || !Spins || _steps < LeastSteps || took < LeastTime)
        {
            return null;
        }

        double busy = (used - _used) / took;
        int steps = _steps;
        (_steps, _wall, _used) = (0, now, used);
        if (busy >= LeastShare * threads)
        {
            return null;
        }

        _reported = true;
        return $"The last {steps} steps took {took.TotalSeconds / steps:0.0} s each, in which libtorch's {threads} threads had {busy:0.0} processors: "
            + "they wait for each other, and spin while they wait. " + Remedy(Math.Clamp((int)Math.Round(busy), 1, processors));
    }

    /// <summary>Whether waiting threads use their processor.</summary>
    private bool Spins =>
        !string.Equals(variable("OMP_WAIT_POLICY"), "PASSIVE", StringComparison.OrdinalIgnoreCase)
        && variable("GOMP_SPINCOUNT") != "0" && variable("KMP_BLOCKTIME") != "0";

    private string Remedy(int fewer)
    {
        string waiting = Spins ? " and OMP_WAIT_POLICY=PASSIVE" : "";
        return $"Start the program with OMP_NUM_THREADS={fewer}{waiting} in its environment, or call torch.set_num_threads({fewer}).";
    }
}
