using System.Globalization;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Benchmarks;

/// <summary>How long a piece of work takes, and what it multiplies and adds (<see cref="FlopCounter"/>).</summary>
/// <param name="Seconds">The time of the best run.</param>
/// <param name="Operations">Multiplications and additions of one run.</param>
internal readonly record struct CountedRun(double Seconds, long Operations)
{
    /// <summary>Billions of operations a second.</summary>
    public double GigaflopsPerSecond => Operations / Seconds / 1e9;

    /// <summary>The share of <see cref="MatmulPeak"/>.</summary>
    public double ShareOfPeak => GigaflopsPerSecond / MatmulPeak.GigaflopsPerSecond;

    /// <summary>The line above a table whose shares are of the peak.</summary>
    public static string Machine => string.Create(
        CultureInfo.InvariantCulture,
        $"{Environment.ProcessorCount} cores, {get_num_threads()} threads; matmul peak {MatmulPeak.GigaflopsPerSecond:0.0} GFLOP/s");

    /// <summary>Times the best of several runs, after a first one that counts the operations and warms up.</summary>
    /// <param name="work">The work.</param>
    /// <param name="runs">How many runs are timed, at least 1.</param>
    public static CountedRun Best(Action work, int runs)
    {
        long operations = FlopCounter.Count(work);
        return new CountedRun(Enumerable.Range(0, runs).Min(_ => Compare.Seconds(work)), operations);
    }

    /// <summary>Writes three cells of a table: seconds, GFLOP, share of the peak.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Seconds:0.00} | {Operations / 1e9:0} | {ShareOfPeak:0 %}");
}
