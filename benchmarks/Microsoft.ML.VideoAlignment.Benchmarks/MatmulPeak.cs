using System.Diagnostics;

namespace Microsoft.ML.VideoAlignment.Benchmarks;

/// <summary>Measures what this machine reaches on a large float32 product, the yardstick for everything else in the same run.</summary>
internal static class MatmulPeak
{
    private const int Side = 2048;

    private static readonly Lazy<double> s_value = new(Measure);

    public static double GigaflopsPerSecond => s_value.Value;

    private static double Measure()
    {
        using IDisposable guard = no_grad();
        using Tensor a = Networks.Noise(1, Side, Side);
        using Tensor b = Networks.Noise(2, Side, Side);
        double best = double.PositiveInfinity;
        for (int run = 0; run < 12; run++)
        {
            long started = Stopwatch.GetTimestamp();
            using Tensor product = a.matmul(b);
            best = Math.Min(best, Stopwatch.GetElapsedTime(started).TotalSeconds);
        }

        return 2.0 * Side * Side * Side / best / 1e9;
    }
}
