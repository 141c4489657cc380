using System.Globalization;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Benchmarks;

/// <summary>How long a piece of work takes, and what it multiplies and adds (<see cref="FlopCounter"/>): counted in its first run, which warms up.</summary>
internal readonly record struct CountedRun(double Seconds, long Operations)
{
    public double GigaflopsPerSecond => Operations / Seconds / 1e9;

    /// <summary>Of <see cref="MatmulPeak"/>.</summary>
    public double ShareOfPeak => GigaflopsPerSecond / MatmulPeak.GigaflopsPerSecond;

    /// <summary>What heads a table whose shares are of the peak.</summary>
    public static string Machine => string.Create(
        CultureInfo.InvariantCulture, $"{Environment.ProcessorCount} cores, {get_num_threads()} threads; matmul peak {MatmulPeak.GigaflopsPerSecond:0.0} GFLOP/s");

    /// <summary>The best of several runs after the first.</summary>
    public static CountedRun Best(Action work, int runs)
    {
        long operations = FlopCounter.Count(work);
        return new CountedRun(Enumerable.Range(0, runs).Min(_ => Compare.Seconds(work)), operations);
    }

    /// <summary>Three cells of a table: seconds, GFLOP, share of the peak.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Seconds:0.00} | {Operations / 1e9:0} | {ShareOfPeak:0 %}");
}
