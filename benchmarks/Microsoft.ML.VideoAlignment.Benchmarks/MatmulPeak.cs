using System.Diagnostics;

namespace Microsoft.ML.VideoAlignment.Benchmarks;

/// <summary>Measures what the device reaches on a large product, the yardstick for everything else in the same run.</summary>
internal static class MatmulPeak
{
    private const int Side = 2048;

    private static readonly Lazy<double> s_value = new(() => Measure(ScalarType.Float32, Side));

    /// <summary>Gets the peak of a 2048 x 2048 float32 product, measured once.</summary>
    public static double GigaflopsPerSecond => s_value.Value;

    /// <summary>Measures the best of several products.</summary>
    /// <param name="dtype">What is multiplied.</param>
    /// <param name="side">Rows and columns of both factors.</param>
    /// <returns>Billions of multiplications and additions a second.</returns>
    public static double Measure(ScalarType dtype, int side)
    {
        using IDisposable guard = no_grad();
        using DisposeScope scope = NewDisposeScope();
        using Tensor drawn = Networks.Noise(1, side, side), other = Networks.Noise(2, side, side);
        Tensor a = drawn.to(dtype), b = other.to(dtype);
        BenchmarkDevice.Synchronize();
        double best = double.PositiveInfinity;
        for (int run = 0; run < 12; run++)
        {
            long started = Stopwatch.GetTimestamp();
            using Tensor product = a.matmul(b);
            BenchmarkDevice.Synchronize();
            best = Math.Min(best, Stopwatch.GetElapsedTime(started).TotalSeconds);
        }

        return 2.0 * side * side * side / best / 1e9;
    }
}
